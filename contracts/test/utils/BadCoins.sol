// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A coin that calls back into the federation whenever it is moved.
contract ReentrantCoin is ERC20 {
    address private _target;
    bytes private _call;

    /// @dev How the last attempt was answered.
    bytes4 public answered;
    bool public went;

    constructor() ERC20("Reentrant", "R") {
        _mint(msg.sender, 1e27);
    }

    function aim(address target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (_call.length == 0) return;
        bytes memory answer;
        (went, answer) = _target.call(_call);
        answered = bytes4(answer);
    }
}

/// @title A coin that keeps a hundredth of whatever is moved.
contract FeeCoin is ERC20 {
    constructor() ERC20("Fee", "F") {
        _mint(msg.sender, 1e27);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0), value / 100);
    }
}
