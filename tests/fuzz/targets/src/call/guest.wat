;; Answers what the first key says, if its source is `value`, and gives every other reference back.
(memory (export "memory") 4)
(global $free (mut i32) (i32.const 131072))

;; The next bytes, aligned to 8. What has no room traps.
(func (export "realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
  (local $at i32)
  (local.set $at (global.get $free))
  (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $bytes)) (i32.const 7)) (i32.const -8)))
  (local.get $at))

(func (export "resolve") (param $references i32) (param $count i32) (result i32)
  (local $key i32) (local $bytes i32) (local $at i32) (local $answer i32)
  (if (i32.eq (i32.load8_u (i32.load (local.get $references))) (i32.const 118)) ;; `v`
    (then
      ;; Two letters of the key, from `a` to `p`, are one byte at 1024 and on, which is the answer.
      (local.set $key (i32.load offset=8 (local.get $references)))
      (local.set $bytes (i32.div_u (i32.load offset=12 (local.get $references)) (i32.const 2)))
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $at) (local.get $bytes)))
          (i32.store8 offset=1024 (local.get $at)
            (i32.or
              (i32.shl (i32.sub (i32.load8_u (local.get $key)) (i32.const 97)) (i32.const 4))
              (i32.sub (i32.load8_u offset=1 (local.get $key)) (i32.const 97))))
          (local.set $key (i32.add (local.get $key) (i32.const 2)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
      (return (i32.const 1024))))
  ;; A list at 8: of each reference a secret with the key as its value and the source as its version.
  (i32.store (i32.const 0) (i32.const 8))
  (i32.store (i32.const 4) (local.get $count))
  (local.set $answer (i32.const 8))
  (block $done
    (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $count)))
      (i32.store offset=8 (local.get $answer) (i32.load offset=8 (local.get $references)))
      (i32.store offset=12 (local.get $answer) (i32.load offset=12 (local.get $references)))
      (i32.store8 offset=16 (local.get $answer) (i32.const 1))
      (i32.store offset=20 (local.get $answer) (i32.load (local.get $references)))
      (i32.store offset=24 (local.get $answer) (i32.load offset=4 (local.get $references)))
      (local.set $references (i32.add (local.get $references) (i32.const 16)))
      (local.set $answer (i32.add (local.get $answer) (i32.const 48)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
  (i32.const 0))
