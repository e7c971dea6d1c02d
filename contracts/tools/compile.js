#!/usr/bin/env node
// Compiles the contracts that the Python package carries.
//
//   node tools/compile.js              writes rayfed/ledger/ethereum/abi/*.json
//   node tools/compile.js FOLDER       writes them there instead (the test that compares does so)
//
// The output holds no path, time or metadata hash, so equal sources give equal files on every machine.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const CONTRACTS = ["Factory", "Ledger", "Treasury", "Tournament", "Views", "DeepLearningCoin"];
const home = path.resolve(__dirname, "..");
const target = path.resolve(process.argv[2] ?? path.join(home, "..", "rayfed", "ledger", "ethereum", "abi"));
const settings = JSON.parse(fs.readFileSync(path.join(__dirname, "settings.json"), "utf8"));

/** Reads a source unit by the name under which Solidity imports it. */
function read(unit) {
  const file = path.join(home, unit.startsWith("@") ? "node_modules" : "", unit);
  return fs.existsSync(file) ? { contents: fs.readFileSync(file, "utf8") } : { error: `no file ${unit}` };
}

const input = {
  language: "Solidity",
  sources: Object.fromEntries(CONTRACTS.map((name) => [`src/${name}.sol`, { content: read(`src/${name}.sol`).contents }])),
  settings: {
    ...settings,
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
// 6335: `leave` is to become a keyword in Solidity 0.9; the verb is called so, and the compiler is pinned.
// 2394: transient storage outlives a call; OpenZeppelin's guard, which is all that uses it, clears it.
const messages = (output.errors ?? []).filter(({ errorCode }) => !["6335", "2394"].includes(errorCode));
for (const { formattedMessage } of messages) console.error(formattedMessage);
if (messages.length) process.exit(1);

fs.mkdirSync(target, { recursive: true });
for (const name of CONTRACTS) {
  const { abi, evm } = output.contracts[`src/${name}.sol`][name];
  const artifact = {
    contract: name,
    compiler: { version: solc.version(), settings },
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
    // Where the constructor writes the terms into the code: [{start, length}] in bytes; zero in `deployedBytecode`.
    immutables: Object.values(evm.deployedBytecode.immutableReferences)
      .flat()
      .sort((a, b) => a.start - b.start),
  };
  fs.writeFileSync(path.join(target, `${name}.json`), `${JSON.stringify(artifact, null, 1)}\n`);
  console.log(`${name}: ${evm.deployedBytecode.object.length / 2} bytes of code, ${abi.length} entries`);
}
