;; Crashes if a global, a table or a page of data is not as it was when it was made.
(memory (export "memory") 1)
(global $calls (mut i32) (i32.const 0))
(table $t 2 funcref)
(data (i32.const 512) "fresh")
(func $start
  (if (global.get $calls) (then unreachable))
  (if (i32.eqz (ref.is_null (table.get $t (i32.const 1)))) (then unreachable))
  (if (i32.ne (i32.load8_u (i32.const 512)) (i32.const 0x66)) (then unreachable))
  (global.set $calls (i32.const 1))
  (table.set $t (i32.const 1) (ref.func $start))
  (i32.store8 (i32.const 512) (i32.const 0)))
(elem declare func $start)
(start $start)
