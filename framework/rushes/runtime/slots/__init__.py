"""The warm processes that run attempts for a worker, what both say to each other, and the guard of both."""
