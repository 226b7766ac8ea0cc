;; Answers with a thousand values that are all the same 60 KB of its memory: little for it, much for the host.
(memory (export "memory") 4)
(func (export "resolve") (param i32 i32) (result i32) (local $at i32)
  (i32.store (i32.const 0) (i32.const 131072))
  (i32.store (i32.const 4) (i32.const 1000))
  (local.set $at (i32.const 131072))
  (loop $next
    (i32.store offset=8 (local.get $at) (i32.const 190000))
    (i32.store offset=12 (local.get $at) (i32.const 60000))
    (local.set $at (i32.add (local.get $at) (i32.const 48)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 179072))))
  (i32.const 0))
