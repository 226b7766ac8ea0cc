;; Grows its memory page by page, and goes on when it cannot.
(memory (export "memory") 1)
(func $start (loop $again (drop (memory.grow (i32.const 1))) (br $again)))
(start $start)
