;; A memory that threads share.
(memory (export "memory") 1 1 shared)
