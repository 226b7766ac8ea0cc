;; Fills its table again and again.
(memory (export "memory") 1)
(table $t 30000 funcref)
(func $start (loop $again
  (table.fill $t (i32.const 0) (ref.func $start) (i32.const 30000)) (br $again)))
(elem declare func $start)
(start $start)
