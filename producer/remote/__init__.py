"""`producer --api`: what the commands ask of database, queue and object store, asked of the HTTP API instead.

The commands do not know the difference: the same repository, store and workers, each of them a client here.
"""
