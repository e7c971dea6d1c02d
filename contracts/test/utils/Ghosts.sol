// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../../src/ICourt.sol";
import {IFederation} from "../../src/IFederation.sol";
import {Bitmaps} from "../../src/libraries/Bitmaps.sol";
import {CourtTest} from "./CourtTest.sol";
import {Vm, vm} from "./Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title What somebody knows of a federation who only reads what it says, and what it must never be seen to do.
/// @notice Every transaction of the test goes through `_send`, and what the contracts say to it is added up here, by
/// figures of the test's own. The counters in the second half stay at zero; `Invariants.t.sol` says so by their names.
abstract contract Ghosts is CourtTest {
    using Bitmaps for uint256;

    /// @dev What a round pays; not a multiple of what there are earners, so that there is dust.
    uint256 internal constant MOST_REWARD = REWARD + 1;

    /// @dev Events by their first topic, and slashes by their reason: what has been reached.
    mapping(bytes32 topic => uint256) public happened;
    mapping(ICourt.Reason reason => uint256) public slashes;
    /// @dev Who wanted its stake back too early and was refused.
    uint256 public refusals;

    mapping(uint256 round => uint256) public rosterOf;
    mapping(uint256 round => mapping(uint256 index => bytes32)) public attestationOf;
    /// @dev The last round in whose roster the member was; until that is settled it may be slashed.
    mapping(uint256 index => uint256) internal _lastRound;
    mapping(address member => uint256) internal _stakes;
    mapping(address member => bool) internal _waits; // for its stake
    mapping(bytes32 message => bool) private _spoken;
    mapping(bytes32 offence => bool) private _punished;
    uint256 private _place; // round * 8 + phase
    uint256 private _baseRound;

    /// @dev All that came into the pool, and all that was promised out of it.
    uint256 public pooled;
    uint256 public rewarded;
    uint256 public mostGasToMoveOn;
    uint256 public mostGasToSettle;
    uint256 internal _gas; // of the last transaction

    // What must never happen.
    uint256 public spokenOutOfTurn;
    uint256 public wentBack;
    uint256 public finalWithoutQuorum;
    uint256 public slashedBeyondStake;
    uint256 public slashedTwice;
    uint256 public withdrawnTooEarly;
    uint256 public rewardedBeyondTerms;
    uint256 public stoodStill;
    uint256 public intrusions;

    /// @dev A transaction, and all that it made the contracts say.
    function _send(address who, address to, bytes memory data) internal returns (bool ok, bytes memory answer) {
        vm.recordLogs();
        vm.prank(who);
        uint256 gas = gasleft();
        (ok, answer) = to.call(data);
        _gas = gas - gasleft();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bool undone;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == address(federation)) undone = _ofFederation(logs[i]) || undone;
            else if (logs[i].emitter == address(court)) _ofCourt(logs[i]);
        }
        IFederation.View memory v = _now();
        uint256 place = uint256(v.round) * 8 + uint256(v.phase);
        if (place < _place || (v.baseRound < _baseRound && !undone)) ++wentBack;
        (_place, _baseRound) = (place, v.baseRound);
    }

    /// @dev The same where nothing but success will do.
    function _do(address who, address to, bytes memory data) internal returns (bytes memory answer) {
        bool ok;
        (ok, answer) = _send(who, to, data);
        if (ok) return answer;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    function _ofFederation(Vm.Log memory log) private returns (bool undone) {
        bytes32 what = log.topics[0];
        ++happened[what];
        if (what == IFederation.Undone.selector) return true;
        if (what == IFederation.Joined.selector) _waits[address(uint160(uint256(log.topics[1])))] = false;
        if (what == IFederation.Committed.selector) {
            _hear(IFederation.Phase.Commit, log.data);
        } else if (what == IFederation.Voted.selector) {
            _hear(IFederation.Phase.Vote, log.data);
        } else if (what == IFederation.Attested.selector) {
            _hear(IFederation.Phase.Attest, log.data);
        } else if (what == IFederation.Relayed.selector) {
            (uint256 members, bytes32[] memory values) = abi.decode(log.data, (uint256, bytes32[]));
            uint256 n;
            for (uint256 i = 0; members >> i != 0; ++i) {
                if (members.has(i)) {
                    _hear(IFederation.Phase(uint256(log.topics[2])), abi.encode(log.topics[1], i, values[n++]));
                }
            }
        } else if (what == IFederation.PhaseOpened.selector && uint256(log.topics[2]) == 1) {
            _open(uint256(log.topics[1]));
        } else if (what == IFederation.RoundClosed.selector) {
            _close(uint256(log.topics[1]), log.data);
        }
    }

    function _hear(IFederation.Phase phase, bytes memory data) private {
        (uint256 r, uint256 index, bytes32 value) = abi.decode(data, (uint256, uint256, bytes32));
        bytes32 message = keccak256(abi.encode(phase, r, index));
        if (_spoken[message] || !rosterOf[r].has(index)) ++spokenOutOfTurn;
        _spoken[message] = true;
        if (phase == IFederation.Phase.Attest) attestationOf[r][index] = value;
    }

    function _open(uint256 r) private {
        uint256 roster = federation.snapshot(0).roster;
        rosterOf[r] = roster;
        for (uint256 i = 0; roster >> i != 0; ++i) {
            if (roster.has(i)) _lastRound[i] = r;
        }
    }

    function _close(uint256 r, bytes memory data) private {
        (IFederation.Status status, bytes32 root,, uint256 attesters) =
            abi.decode(data, (IFederation.Status, bytes32, uint256, uint256));
        if (status != IFederation.Status.Final) return;
        uint256 agreed;
        for (uint256 i = 0; attesters >> i != 0; ++i) {
            if (attesters.has(i) && rosterOf[r].has(i) && attestationOf[r][i] == root) ++agreed;
        }
        if (agreed != attesters.count() || 3 * agreed <= 2 * rosterOf[r].count()) ++finalWithoutQuorum;
    }

    function _ofCourt(Vm.Log memory log) private {
        bytes32 what = log.topics[0];
        ++happened[what];
        if (what == ICourt.Exited.selector) {
            _waits[address(uint160(uint256(log.topics[1])))] = true;
        } else if (what == ICourt.Deposited.selector) {
            _stakes[address(uint160(uint256(log.topics[1])))] += abi.decode(log.data, (uint256));
        } else if (what == ICourt.Funded.selector) {
            pooled += abi.decode(log.data, (uint256));
        } else if (what == ICourt.Failed.selector) {
            pooled += BOND;
        } else if (what == ICourt.Slashed.selector) {
            _slashed(log);
        } else if (what == ICourt.Rewarded.selector) {
            (uint256 share, uint256 earners) = abi.decode(log.data, (uint256, uint256));
            uint256 reward = share * earners.count();
            if (reward > MOST_REWARD || rewarded + reward > pooled) ++rewardedBeyondTerms;
            rewarded += reward;
        } else if (what == ICourt.Withdrawn.selector) {
            _withdrawn(log);
        } else if (what == ICourt.Credited.selector && uint256(log.topics[2]) == 0) {
            // A share for an equivocation; what cases credit is a bond, and a share of what follows from it.
            pooled -= abi.decode(log.data, (uint256));
        } else if (what == ICourt.Credited.selector) {
            uint256 amount = abi.decode(log.data, (uint256));
            if (amount != BOND) pooled -= amount;
        }
    }

    /// @dev What is slashed goes to the pool; a challenger's share is taken off again by `Credited`.
    function _slashed(Vm.Log memory log) private {
        address member = address(uint160(uint256(log.topics[1])));
        (uint256 amount, ICourt.Reason reason) = abi.decode(log.data, (uint256, ICourt.Reason));
        bytes32 offence = keccak256(abi.encode(member, reason, log.topics[2]));
        if (amount > _stakes[member]) ++slashedBeyondStake;
        else _stakes[member] -= amount;
        if (_punished[offence]) ++slashedTwice;
        _punished[offence] = true;
        pooled += amount;
        ++slashes[reason];
    }

    function _withdrawn(Vm.Log memory log) private {
        address member = address(uint160(uint256(log.topics[1])));
        (, uint256 amount) = abi.decode(log.data, (address, uint256));
        (uint256 seat, bool active,) = federation.seatOf(member);
        bool settled = court.books().settled >= _lastRound[seat - 1];
        if (active || !settled || amount != _stakes[member]) ++withdrawnTooEarly;
        _stakes[member] -= amount;
    }

    // ----------------------------------------------------------------------------------------------------- looking at

    function contracts() external view returns (IFederation, ICourt, IERC20) {
        return (federation, court, coin);
    }

    /// @dev What all accounts have together: at stake, of that asked back, and to be claimed.
    function sums() external view returns (uint256 stakes, uint256 unbonding, uint256 owed) {
        ICourt.Account[] memory all = court.accounts();
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i].exiting) unbonding += all[i].stake;
            else stakes += all[i].stake;
            owed += all[i].claimable;
        }
        owed += court.account(CHALLENGER).claimable;
    }
}
