;; Never ends after it has answered.
(memory (export "memory") 1)
(func (export "post-return") (param i32) (loop $again (br $again)))
