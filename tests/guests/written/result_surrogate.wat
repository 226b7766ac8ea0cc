;; Answers with an error whose text has half a surrogate pair.
(memory (export "memory") 1)
(func (export "resolve") (param i32 i32) (result i32)
  (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1)) (i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 72) (i32.const 8)) (i32.store (i32.const 80) (i32.const 200)) (i32.store (i32.const 84) (i32.const 3)) (i32.store (i32.const 200) (i32.const 0x80a0ed)) (i32.const 0))
