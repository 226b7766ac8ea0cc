;; An operator whose result is not the same everywhere.
(memory (export "memory") 1)
(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))
