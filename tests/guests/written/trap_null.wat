;; Calls a function that is not there.
(memory (export "memory") 1)
(table 1 funcref)
(type $t (func))
(func $start (call_indirect (type $t) (i32.const 0)))
(start $start)
