;; A type of continuations.
(memory (export "memory") 1)
(type $f (func))
(type (cont $f))
