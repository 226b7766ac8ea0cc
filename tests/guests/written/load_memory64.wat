;; A memory of 64 bits.
(memory (export "memory") i64 1)
