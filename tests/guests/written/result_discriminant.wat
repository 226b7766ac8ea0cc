;; Answers with neither a secret nor an error.
(memory (export "memory") 1)
(func (export "resolve") (param i32 i32) (result i32)
  (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1)) (i32.store8 (i32.const 64) (i32.const 7)) (i32.const 0))
