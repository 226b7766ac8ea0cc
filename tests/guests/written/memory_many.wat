;; Four memories, of which the last grows beyond what all may have together.
(memory (export "memory") 1)
(memory 1) (memory 1) (memory $last 1)
(func $start (if (i32.ne (memory.grow $last (i32.const 13)) (i32.const -1)) (then unreachable)))
(start $start)
