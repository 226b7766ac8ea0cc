;; Calls a function as if it were of another type.
(memory (export "memory") 1)
(table 1 funcref)
(type $other (func (param i64) (result i64)))
(func $f)
(elem (i32.const 0) $f)
(func $start (drop (call_indirect (type $other) (i64.const 1) (i32.const 0))))
(start $start)
