;; Crashes while it is made.
(memory (export "memory") 1)
(func $start unreachable)
(start $start)
