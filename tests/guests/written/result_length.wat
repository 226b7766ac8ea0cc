;; Answers with a list that ends beyond its memory.
(memory (export "memory") 1)
(func (export "resolve") (param i32 i32) (result i32)
  (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 0x10000)) (i32.const 0))
