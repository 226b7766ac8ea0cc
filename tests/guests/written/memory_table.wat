;; Says that it needs a table of ten million elements.
(memory (export "memory") 1)
(table 10000000 funcref)
