;; A memory of small pages.
(memory (export "memory") 1 (pagesize 1))
