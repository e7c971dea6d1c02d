// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title One tournament a round, in which the burden of proof lies on who attested (section 6).
interface ITournament {
    /// @notice How an entry stands.
    enum Fate {
        None, // there is no such entry
        Pending,
        Lost,
        Won, // the last one left, or the only one
        Fallen // the round's base fell: nobody loses
    }

    /// @notice How a match stands.
    enum State {
        Absent, // nobody has moved
        Descent,
        Proving, // at a leaf, the inputs are to be proved
        Decided
    }

    /// @notice Which match a move is in, and at which point.
    /// @param round of the tournament
    /// @param stage from 0
    /// @param i number of the entry on the left
    /// @param j number of the entry on the right
    /// @param from first leaf of the point in dispute
    /// @param count how many leaves that has
    struct Point {
        uint32 round;
        uint8 stage;
        uint16 i;
        uint16 j;
        uint40 from;
        uint40 count;
    }

    /// @notice That an update has a leaf, and weighs what it does.
    /// @param which position of its root among the included ones, by index; behind the last one, where updates are
    /// differences from it, stands the round's base, which comes first in every call and has no header
    /// @param leaf the leaf, 512 bytes
    /// @param path audit path from the leaf to the root, lowest sibling first (RFC 6962)
    /// @param header leaf 0 where the rule is the mean; else empty
    /// @param headerPath audit path of that, likewise
    struct Input {
        uint16 which;
        bytes leaf;
        bytes32[] path;
        bytes header;
        bytes32[] headerPath;
    }

    /// @notice A match, as of now.
    /// @param state how it stands
    /// @param i entry on the left, `j` on the right
    /// @param since when the step began
    /// @param clockI seconds left to the left side from then on, `clockJ` to the right
    /// @param from first leaf of the point in dispute, of `count`
    /// @param shown bit 0 if the left side has shown, bit 1 if the right one has
    /// @param nodeI the left side's root of the point, `nodeJ` the right side's
    /// @param coordinate at a leaf, the value in dispute
    /// @param proven bitmap of the inputs proved
    /// @param winner an entry's number + 1; 0 if it is not decided, or both lost
    struct MatchView {
        State state;
        uint16 i;
        uint16 j;
        uint64 since;
        uint32 clockI;
        uint32 clockJ;
        uint40 from;
        uint40 count;
        uint8 shown;
        bytes32 nodeI;
        bytes32 nodeJ;
        uint16 coordinate;
        uint256 proven;
        uint16 winner;
    }

    /// @notice An entry; `collected`: it has lost and was dealt with, or its entrant has the bond back.
    struct EntryView {
        bytes32 root;
        uint256 attesters;
        address entrant;
        Fate fate;
        uint8 stage;
        bool collected;
    }

    /// @notice Somebody entered a root against a final one.
    event Entered(uint256 indexed round, uint256 number, bytes32 root, address entrant);
    /// @notice A side, or both, showed the parts of the point in dispute.
    event Shown(
        uint256 indexed round,
        uint256 stage,
        uint256 block,
        uint40 from,
        uint40 count,
        bytes32[] partsI,
        bytes32[] partsJ
    );
    /// @notice A side, or both, showed its leaf.
    event LeafShown(uint256 indexed round, uint256 stage, uint256 block, bytes leafI, bytes leafJ);
    /// @notice Both leaves are there: this coordinate is to be judged, and the inputs are to be proved.
    event Disputed(uint256 indexed round, uint256 stage, uint256 block, uint256 coordinate, int32 valueI, int32 valueJ);
    /// @notice Inputs were proved.
    event Proved(uint256 indexed round, uint256 stage, uint256 block, uint256 proven);
    /// @notice A match was decided by what was shown; `winner` is an entry's number + 1, or 0 if both lost.
    event Decided(uint256 indexed round, uint256 stage, uint256 block, uint256 winner);
    /// @notice A final root lost a match: its round is void, and the rounds up to `last` fell.
    event Undone(uint256 indexed round, uint256 last);

    /// @notice The court cannot recompute this federation's rule.
    error NotJudged();
    /// @notice The round is not final, or settled.
    error NotFinal(uint256 round);
    /// @notice No other root can be entered against the round any more.
    error WindowClosed(uint256 until);
    /// @notice This root is an entry already.
    error AlreadyEntered(uint256 number);
    /// @notice Another amount came with the call than a bond.
    error WrongBond(uint256 sent, uint256 bond);
    /// @notice All places are taken, but for those kept for the roster.
    error TournamentFull(uint256 outsiders);
    /// @notice There is no tournament on the round, or its slot is free.
    error NoTournament(uint256 round);
    /// @notice The stage has not begun.
    error TooEarly(uint256 start);
    /// @notice These two do not meet there: one has not come so far, or the bracket says otherwise.
    error NotPaired(uint256 i, uint256 j);
    /// @notice The match has ended.
    error MatchOver(uint256 winner);
    /// @notice The point in dispute is another one.
    error WrongPoint(uint40 from, uint40 count);
    /// @notice At one leaf, leaves are shown; above it, parts.
    error WrongKind();
    /// @notice A point has just so many parts.
    error WrongParts(uint256 given, uint256 expected);
    /// @notice What is shown does not hash to the side's root.
    error WrongShape(uint256 entry);
    /// @notice All of it was shown before.
    error NothingNew();
    /// @notice The other side has shown: whoever comes second brings both.
    error BothNeeded();
    /// @notice The match is not at a leaf whose inputs are to be proved.
    error NotProving();
    /// @notice These are not the roots of the included updates.
    error WrongRoots(bytes32 context);
    /// @notice There are only so many inputs.
    error NoSuchInput(uint256 which);
    /// @notice The leaf is not there in this update, or its header is not.
    error WrongProof(uint256 which);
    /// @notice The final root has not lost.
    error NotLost(uint256 round);

    /// @notice Enter another root against a final one, for a bond.
    /// @return number of the entry
    function enter(uint32 round, bytes32 context, bytes32 root) external payable returns (uint256 number);
    /// @notice Show the parts of the point in dispute, of one side (the other list empty) or both.
    function show(Point calldata point, bytes32[] calldata partsI, bytes32[] calldata partsJ) external;
    /// @notice Show the leaf in dispute, of one side (the other empty) or both.
    function showLeaf(Point calldata point, bytes calldata leafI, bytes calldata leafJ) external;
    /// @notice Prove inputs of the coordinate in dispute; the last one decides.
    /// @param voting context on which the round was voted
    /// @param roots of the included updates, by index
    function prove(Point calldata point, bytes32 voting, bytes32[] calldata roots, Input[] calldata inputs) external;
    /// @notice Keep who survives below a block, so that others need not work it out again.
    /// @param level how many stages are asked about, from 1
    function resolve(uint32 round, uint256 level, uint256 block_) external;
    /// @notice Undo a round whose final root has lost a match.
    function undo(uint32 round) external;

    /// @notice How many entries there are, and when stage 0 begins; no tournament with fewer than two. `fallen`: the
    /// round's base fell, and nobody loses.
    function tournament(uint32 round)
        external
        view
        returns (uint256 entries, uint256 start, uint256 stageSeconds, bool fallen);
    /// @notice An entry, and how it stands; if lost, in which stage.
    function entry(uint32 round, uint256 number) external view returns (EntryView memory);
    /// @notice Whether a root is an entry of a closed round, and its number.
    function numberOf(uint32 round, bytes32 root) external view returns (bool found, uint256 number);
    /// @notice Who is left of a block's entries after so many stages: whom a move has to name.
    /// @return ended whether that is decided
    /// @return who an entry's number + 1; 0 if nobody is
    function survivor(uint32 round, uint256 level, uint256 block_) external view returns (bool ended, uint256 who);
    /// @notice A match.
    function matchAt(uint32 round, uint256 stage, uint256 block_) external view returns (MatchView memory);
}
