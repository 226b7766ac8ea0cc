;; Reads beyond its table.
(memory (export "memory") 1)
(table $t 1 funcref)
(func $start (drop (table.get $t (i32.const 1))))
(start $start)
