;; A type of collected memory.
(memory (export "memory") 1)
(type (struct))
