;; Uses a handle that it was never given.
(import "host" "drop" (func $drop (param i32)))
(import "host" "subscribe" (func $subscribe (param i64) (result i32)))
(import "host" "block" (func $block (param i32)))
(memory (export "memory") 1)
(func $start (call $block (i32.const 77)))
(start $start)
