;; A function that leaves more than it says.
(memory (export "memory") 1)
(func (result i32) (i32.const 1) (i32.const 2))
