;; An entry point that writes its environment to standard output, one `NAME=VALUE` a line, and copies
;; /cnab/app/secret to /cnab/app/outputs/name. It fails if one of the two cannot be opened.
(component
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:io/error@0.2.0" (instance $error
    (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error-resource))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $output-stream (sub resource)))
    (alias outer 1 $error-resource (type $cause))
    (type $stream-error (variant (case "last-operation-failed" (own $cause)) (case "closed")))
    (export "stream-error" (type $stream-error-named (eq $stream-error)))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output-stream)) (param "contents" (list u8))
      (result (result (error $stream-error-named)))))))
  (alias export $streams "output-stream" (type $output-stream-resource))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output-stream-resource (type $stream))
    (export "output-stream" (type $stream-named (eq $stream)))
    (export "get-stdout" (func (result (own $stream-named))))))
  (import "wasi:filesystem/types@0.2.0" (instance $types
    (export "descriptor" (type $descriptor (sub resource)))
    (type $error-code (enum
      "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist"
      "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io"
      "is-directory" "loop" "too-many-links" "message-size" "name-too-long" "no-device" "no-entry"
      "no-lock" "insufficient-memory" "insufficient-space" "not-directory" "not-empty"
      "not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow" "not-permitted" "pipe"
      "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $code (eq $error-code)))
    (type $path-flags (flags "symlink-follow"))
    (export "path-flags" (type $path-flags-named (eq $path-flags)))
    (type $open-flags (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags-named (eq $open-flags)))
    (type $descriptor-flags (flags "read" "write" "file-integrity-sync" "data-integrity-sync"
      "requested-write-sync" "mutate-directory"))
    (export "descriptor-flags" (type $descriptor-flags-named (eq $descriptor-flags)))
    (export "[method]descriptor.open-at" (func
      (param "self" (borrow $descriptor)) (param "path-flags" $path-flags-named)
      (param "path" string) (param "open-flags" $open-flags-named)
      (param "flags" $descriptor-flags-named)
      (result (result (own $descriptor) (error $code)))))
    (export "[method]descriptor.read" (func
      (param "self" (borrow $descriptor)) (param "length" u64) (param "offset" u64)
      (result (result (tuple (list u8) bool) (error $code)))))
    (export "[method]descriptor.write" (func
      (param "self" (borrow $descriptor)) (param "buffer" (list u8)) (param "offset" u64)
      (result (result u64 (error $code)))))))
  (alias export $types "descriptor" (type $descriptor-resource))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor-resource (type $directory))
    (export "descriptor" (type $directory-named (eq $directory)))
    (export "get-directories" (func (result (list (tuple (own $directory-named) string)))))))

  (core module $libc
    (memory (export "memory") 32)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next
        (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3)))))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $get-environment (canon lower (func $environment "get-environment")
    (memory $memory) (realloc $realloc)))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $print (canon lower
    (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory)))
  (core func $get-directories (canon lower (func $preopens "get-directories")
    (memory $memory) (realloc $realloc)))
  (core func $open-at (canon lower (func $types "[method]descriptor.open-at") (memory $memory)))
  (core func $read (canon lower (func $types "[method]descriptor.read")
    (memory $memory) (realloc $realloc)))
  (core func $write (canon lower (func $types "[method]descriptor.write") (memory $memory)))

  (core module $main
    (import "libc" "memory" (memory 1))
    (import "host" "get-environment" (func $get-environment (param i32)))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "print" (func $print (param i32 i32 i32 i32)))
    (import "host" "get-directories" (func $get-directories (param i32)))
    (import "host" "open-at" (func $open-at (param i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "read" (func $read (param i32 i64 i64 i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i64 i32)))
    (data (i32.const 256) "cnab/app/secret")
    (data (i32.const 288) "cnab/app/outputs/name")
    (data (i32.const 320) "=\n")
    (func $print-environment
      (local $stdout i32) (local $at i32) (local $end i32)
      (local.set $stdout (call $get-stdout))
      (call $get-environment (i32.const 0))
      (local.set $at (i32.load (i32.const 0)))
      (local.set $end (i32.add (local.get $at)
        (i32.mul (i32.load (i32.const 4)) (i32.const 16))))
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
          (call $print (local.get $stdout)
            (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)) (i32.const 64))
          (call $print (local.get $stdout) (i32.const 320) (i32.const 1) (i32.const 64))
          (call $print (local.get $stdout)
            (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at)) (i32.const 64))
          (call $print (local.get $stdout) (i32.const 321) (i32.const 1) (i32.const 64))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br $next))))
    (func (export "run") (result i32)
      (local $root i32) (local $from i32) (local $to i32)
      (call $print-environment)
      (call $get-directories (i32.const 0))
      (local.set $root (i32.load (i32.load (i32.const 0))))
      (call $open-at (local.get $root) (i32.const 0) (i32.const 256) (i32.const 15)
        (i32.const 0) (i32.const 1) (i32.const 64))
      (if (i32.load8_u (i32.const 64)) (then (return (i32.const 1))))
      (local.set $from (i32.load (i32.const 68)))
      (call $open-at (local.get $root) (i32.const 0) (i32.const 288) (i32.const 21)
        (i32.const 1) (i32.const 2) (i32.const 64))
      (if (i32.load8_u (i32.const 64)) (then (return (i32.const 1))))
      (local.set $to (i32.load (i32.const 68)))
      (call $read (local.get $from) (i64.const 4096) (i64.const 0) (i32.const 64))
      (call $write (local.get $to) (i32.load (i32.const 68)) (i32.load (i32.const 72))
        (i64.const 0) (i32.const 128))
      (i32.load8_u (i32.const 128))))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "get-environment" (func $get-environment))
      (export "get-stdout" (func $get-stdout))
      (export "print" (func $print))
      (export "get-directories" (func $get-directories))
      (export "open-at" (func $open-at))
      (export "read" (func $read))
      (export "write" (func $write))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $entry (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $entry)))
