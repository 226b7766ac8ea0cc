;; Makes a whole number of one that is none.
(memory (export "memory") 1)
(func $start (drop (i32.trunc_f64_s (f64.const nan))))
(start $start)
