"""An adversary that searches: everything that a ledger allows dishonest members, against honest ones and the promises.

``second.SecondEdition`` is a federation as a game, ``search.exhaustive`` goes through all states of a small one and
``search.guided`` guesses in larger ones; ``python -m rayfed chaos adversary`` runs both.
"""
