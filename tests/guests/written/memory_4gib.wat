;; Says that it needs 4 GiB.
(memory (export "memory") 65536)
