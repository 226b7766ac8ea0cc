;; Copies 32 MiB from one half of its memory to the other, again and again.
(memory (export "memory") 1024)
(func $start (loop $again
  (memory.copy (i32.const 0) (i32.const 33554432) (i32.const 33554432)) (br $again)))
(start $start)
