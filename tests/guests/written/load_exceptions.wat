;; A tag of exceptions.
(memory (export "memory") 1)
(tag)
