;; Never ends while it is made.
(memory (export "memory") 1)
(func $start (loop $again (br $again)))
(start $start)
