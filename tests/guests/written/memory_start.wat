;; Takes as much memory as there is while it is made, and gives up if it was given more than 16 pages.
(memory (export "memory") 1)
(func $start
  (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (if (i32.gt_u (memory.size) (i32.const 16)) (then unreachable)))
(start $start)
