"""One participant: its rounds, and the watchtower that looks after what has become final.

edge_node     the rounds' loop: decide, persist, send; due: what comes between
phases/       what it does, a handler for each of the policy's actions
parts         what a node is given; kit: what its phases share
speaker       what it says to the ledger; pending: what is on its way, or rests
journal       what it has signed; round_log, status: what it writes down and shows
training      the worker that trains beside the steps; scores: what it does when nobody trains
blobs, disk   having blobs and keeping them; models, peer_updates, publisher: which ones
update_codec  how updates are written and read; evidence: what screens see; merger: the merge
watchtower/   verify, enter, move, undo, collect, settle, claim; fraud_proofs: what is shown in court
"""
