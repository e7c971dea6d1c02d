#!/usr/bin/env node
// Answers as the Solidity compiler's command line does, through the npm package `solc`: Foundry asks for nothing else.
"use strict";
const solc = require("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")));
} else {
  console.error("solc.js answers --version and --standard-json only");
  process.exitCode = 1;
}
