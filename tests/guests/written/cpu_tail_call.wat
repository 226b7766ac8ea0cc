;; Calls itself at its end for ever, which takes no stack.
(memory (export "memory") 1)
(func $start return_call $start)
(start $start)
