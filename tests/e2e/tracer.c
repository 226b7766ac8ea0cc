/* Runs a program, writes down what it does to the files below a directory, and lets chosen calls fail.
 *
 *     tracer RECORD BELOW RULE PROGRAM ARGUMENT..
 *
 * RULE is `none`, or CALL:PART:WHAT:FIRST:COUNT. CALL is the kind of call (create, write, sync, rename, link,
 * unlink, open, mkdir, truncate, any), PART is a part of the path below BELOW, WHAT is the number of the error
 * that the call ends with, or `short` for a write of half of the bytes, or `kill` for SIGKILL to the program
 * before the call. It happens at the FIRST matching call and the COUNT-1 after it; 0 means all from there on.
 *
 * A preloaded library would not do: rustix, on which cap-std and the engine's files stand, makes its system
 * calls itself. So this asks the kernel to stop at them, by ptrace and a seccomp filter that names them.
 *
 * RECORD gets `KIND RESULT OFFSET LENGTH PATH\tPATH\n` for each call, with LENGTH bytes after it, and at the
 * end `matched COUNT`. A call that did not come to its end is not in it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/openat2.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "this reads the registers of x86_64; another processor needs its own"
#endif

enum { DATA_MAX = 64 << 20, THREADS_MAX = 1 << 16, IOV_MAX_HERE = 64 };

/* Kinds, as they are told. `open` is one that makes no file; `map` is memory that is written to a file. */
static const long CALLS[] = {
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_fsync, SYS_fdatasync, SYS_ftruncate,
    SYS_truncate, SYS_fallocate, SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_rename, SYS_renameat,
    SYS_renameat2, SYS_link, SYS_linkat, SYS_unlink, SYS_unlinkat, SYS_rmdir, SYS_mkdir, SYS_mkdirat,
    SYS_symlink, SYS_symlinkat, SYS_sendfile, SYS_copy_file_range, SYS_mmap,
};

struct call {
    const char *kind;
    long long offset, length;
    unsigned long long data;  /* where the bytes are, or the vector of them */
    int vector;               /* how many; 0 if `data` is the bytes */
    char path[PATH_MAX], other[PATH_MAX];
};

static struct call *threads[THREADS_MAX];
static const char *below, *rule_call, *rule_part, *rule_what;
static long rule_first, rule_count, matched;
static FILE *record;
static pid_t program;

static void stop(const char *what) {
    fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
    if (program > 0) kill(program, SIGKILL);
    exit(125);
}

static size_t copy(pid_t pid, unsigned long long from, void *to, size_t length) {
    struct iovec here = {to, length}, there = {(void *)(size_t)from, length};
    ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
    return got < 0 ? 0 : (size_t)got;
}

static void text(pid_t pid, unsigned long long from, char *to) {
    size_t at = 0;
    /* Byte by page: a text may end right before memory that is not there. */
    while (at < PATH_MAX - 1) {
        size_t left = 4096 - ((from + at) & 4095);
        if (left > PATH_MAX - 1 - at) left = PATH_MAX - 1 - at;
        size_t got = copy(pid, from + at, to + at, left);
        if (got == 0) break;
        if (memchr(to + at, 0, got)) return;
        at += got;
    }
    to[at] = 0;
}

static void of_descriptor(pid_t pid, int descriptor, char *to) {
    char link[64];
    if (descriptor == AT_FDCWD) snprintf(link, sizeof link, "/proc/%d/cwd", pid);
    else snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, descriptor);
    ssize_t length = readlink(link, to, PATH_MAX - 1);
    to[length < 0 ? 0 : length] = 0;
}

/* The path that a name below a descriptor means, without `.` at its end. Links are not looked at: what is
 * traced has none. */
static void resolve(pid_t pid, int descriptor, unsigned long long name, char *to) {
    char below_it[PATH_MAX];
    text(pid, name, below_it);
    if (below_it[0] == '/') {
        strcpy(to, below_it);
    } else {
        of_descriptor(pid, descriptor, to);
        if (strcmp(below_it, ".") == 0 || below_it[0] == 0) return;
        strncat(to, "/", PATH_MAX - 1 - strlen(to));
        strncat(to, below_it, PATH_MAX - 1 - strlen(to));
    }
    size_t end = strlen(to);
    if (end > 1 && to[end - 1] == '/') to[end - 1] = 0;
}

static void opened(struct call *call, unsigned long long flags) {
    int makes = (flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE;
    call->kind = makes ? "create" : "open";
    call->offset = (flags & O_TRUNC) != 0;
}

/* Reads what the call is about; whether it is one that matters. */
static int decode(pid_t pid, const struct user_regs_struct *r, struct call *call) {
    memset(call, 0, offsetof(struct call, path));
    call->path[0] = call->other[0] = 0;
    call->offset = -1;
    int at = AT_FDCWD;
    switch (r->orig_rax) {
    case SYS_pwrite64: call->offset = (long long)r->r10; /* fall through */
    case SYS_write:
        call->kind = "write", call->data = r->rsi, call->length = (long long)r->rdx;
        of_descriptor(pid, (int)r->rdi, call->path);
        break;
    case SYS_pwritev: case SYS_pwritev2: call->offset = (long long)r->r10; /* fall through */
    case SYS_writev:
        call->kind = "write", call->data = r->rsi, call->vector = (int)r->rdx;
        of_descriptor(pid, (int)r->rdi, call->path);
        break;
    case SYS_fsync: case SYS_fdatasync:
        call->kind = "sync";
        of_descriptor(pid, (int)r->rdi, call->path);
        break;
    case SYS_ftruncate:
        call->kind = "truncate", call->offset = (long long)r->rsi;
        of_descriptor(pid, (int)r->rdi, call->path);
        break;
    case SYS_truncate:
        call->kind = "truncate", call->offset = (long long)r->rsi;
        resolve(pid, at, r->rdi, call->path);
        break;
    case SYS_fallocate: case SYS_sendfile: case SYS_copy_file_range:
        call->kind = "unknown";
        of_descriptor(pid, (int)(r->orig_rax == SYS_copy_file_range ? r->rdx : r->rdi), call->path);
        break;
    case SYS_mmap:
        if (!(r->r10 & MAP_SHARED) || !(r->rdx & PROT_WRITE) || (r->r10 & MAP_ANONYMOUS)) return 0;
        call->kind = "map";
        of_descriptor(pid, (int)r->r8, call->path);
        break;
    case SYS_open: opened(call, r->rsi), resolve(pid, at, r->rdi, call->path); break;
    case SYS_creat: opened(call, O_CREAT | O_TRUNC), resolve(pid, at, r->rdi, call->path); break;
    case SYS_openat: opened(call, r->rdx), resolve(pid, (int)r->rdi, r->rsi, call->path); break;
    case SYS_openat2: {
        struct open_how how = {0};
        copy(pid, r->rdx, &how, sizeof how);
        opened(call, how.flags), resolve(pid, (int)r->rdi, r->rsi, call->path);
        break;
    }
    case SYS_rename: case SYS_link:
        call->kind = r->orig_rax == SYS_rename ? "rename" : "link";
        resolve(pid, at, r->rdi, call->path), resolve(pid, at, r->rsi, call->other);
        break;
    case SYS_renameat: case SYS_renameat2: case SYS_linkat:
        call->kind = r->orig_rax == SYS_linkat ? "link" : "rename";
        resolve(pid, (int)r->rdi, r->rsi, call->path);
        resolve(pid, (int)r->rdx, r->r10, call->other);
        break;
    case SYS_unlink: case SYS_rmdir: call->kind = "unlink", resolve(pid, at, r->rdi, call->path); break;
    case SYS_unlinkat: call->kind = "unlink", resolve(pid, (int)r->rdi, r->rsi, call->path); break;
    case SYS_mkdir: call->kind = "mkdir", resolve(pid, at, r->rdi, call->path); break;
    case SYS_mkdirat: call->kind = "mkdir", resolve(pid, (int)r->rdi, r->rsi, call->path); break;
    case SYS_symlink: call->kind = "unknown", resolve(pid, at, r->rsi, call->path); break;
    case SYS_symlinkat: call->kind = "unknown", resolve(pid, (int)r->rsi, r->rdx, call->path); break;
    default: return 0;
    }
    size_t length = strlen(below);
    int inside = strncmp(call->path, below, length) == 0
        && (call->path[length] == 0 || call->path[length] == '/');
    return inside;
}

static int hits(const struct call *call) {
    if (!rule_call) return 0;
    if (strcmp(rule_call, "any") != 0 && strcmp(rule_call, call->kind) != 0) return 0;
    const char *rest = call->path + strlen(below), *other = call->other;
    if (!strstr(rest, rule_part) && !strstr(other, rule_part)) return 0;
    matched++;
    return matched >= rule_first && (rule_count == 0 || matched < rule_first + rule_count);
}

static void write_down(pid_t pid, const struct call *call, long long result) {
    long long length = strcmp(call->kind, "write") == 0 && result > 0 ? result : 0;
    static char *bytes;
    if (!bytes && !(bytes = malloc(DATA_MAX))) stop("memory");
    if (length > DATA_MAX) errno = EFBIG, stop("a write");
    if (call->vector) {
        struct iovec there[IOV_MAX_HERE];
        size_t count = call->vector > IOV_MAX_HERE ? IOV_MAX_HERE : (size_t)call->vector;
        copy(pid, call->data, there, count * sizeof there[0]);
        long long at = 0;
        for (size_t index = 0; index < count && at < length; index++) {
            size_t part = there[index].iov_len;
            if ((long long)part > length - at) part = (size_t)(length - at);
            at += (long long)copy(pid, (size_t)there[index].iov_base, bytes + at, part);
        }
        if (at != length) errno = EFAULT, stop("a vector");
    } else if (length && copy(pid, call->data, bytes, (size_t)length) != (size_t)length) {
        stop("the bytes of a write");
    }
    fprintf(record, "%s %lld %lld %lld %s\t%s\n", call->kind, result, call->offset, length, call->path,
            call->other);
    fwrite(bytes, 1, (size_t)length, record);
}

/* At a call that the filter names. Returns how the thread goes on. */
static int enters(pid_t pid) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, 0, &registers)) return PTRACE_CONT;
    struct call **slot = &threads[pid % THREADS_MAX];
    if (!*slot && !(*slot = malloc(sizeof **slot))) stop("memory");
    struct call *call = *slot;
    if (!decode(pid, &registers, call)) return PTRACE_CONT;
    if (hits(call)) {
        if (strcmp(rule_what, "kill") == 0) {
            kill(program, SIGKILL);
            return PTRACE_CONT;
        }
        if (strcmp(rule_what, "short") == 0) {
            if (!call->vector && registers.rdx > 1) registers.rdx /= 2;
        } else {
            long error = atol(rule_what);
            registers.orig_rax = (unsigned long long)-1;
            registers.rax = (unsigned long long)-error;
            write_down(pid, call, -error);
            call->kind = NULL;
        }
        if (ptrace(PTRACE_SETREGS, pid, 0, &registers)) stop("registers");
        if (!call->kind) return PTRACE_CONT;
    }
    return PTRACE_SYSCALL;
}

static void returns(pid_t pid) {
    struct user_regs_struct registers;
    struct call *call = threads[pid % THREADS_MAX];
    if (!call || ptrace(PTRACE_GETREGS, pid, 0, &registers)) return;
    /* A call that a signal broke off is made again, or not at all. */
    if ((long long)registers.rax <= -512) return;
    write_down(pid, call, (long long)registers.rax);
}

static void become(char **arguments) {
    struct sock_filter filter[sizeof CALLS / sizeof CALLS[0] + 5];
    size_t count = sizeof CALLS / sizeof CALLS[0], at = 0;
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t index = 0; index < count; index++)
        filter[at++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (unsigned)CALLS[index], (unsigned char)(count - index), 0);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog rules = {(unsigned short)at, filter};
    if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(124);
    raise(SIGSTOP);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &rules)) _exit(124);
    execv(arguments[0], arguments);
    _exit(127);
}

int main(int count, char **arguments) {
    if (count < 5) return fprintf(stderr, "tracer: RECORD BELOW RULE PROGRAM ARGUMENT..\n"), 125;
    if (!(record = fopen(arguments[1], "wb"))) stop(arguments[1]);
    below = arguments[2];
    if (strcmp(arguments[3], "none") != 0) {
        char *rest = strdup(arguments[3]);
        rule_call = strsep(&rest, ":"), rule_part = strsep(&rest, ":"), rule_what = strsep(&rest, ":");
        const char *first = strsep(&rest, ":"), *times = strsep(&rest, ":");
        if (!times) return fprintf(stderr, "tracer: CALL:PART:WHAT:FIRST:COUNT\n"), 125;
        rule_first = atol(first), rule_count = atol(times);
    }
    if ((program = fork()) < 0) stop("fork");
    if (program == 0) become(arguments + 4);
    int status;
    if (waitpid(program, &status, 0) != program || !WIFSTOPPED(status)) stop("the program cannot be traced");
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK
        | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, program, 0, options)) stop("options");
    ptrace(PTRACE_CONT, program, 0, 0);
    int ended = -1;
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (pid < 0) continue;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid == program) {
                ended = status;
                break;
            }
            continue;
        }
        int how = PTRACE_CONT, signal = WSTOPSIG(status), event = status >> 16;
        if (signal == (SIGTRAP | 0x80)) returns(pid), signal = 0;
        else if (event == PTRACE_EVENT_SECCOMP) how = enters(pid), signal = 0;
        else if (event || signal == SIGSTOP) signal = 0;
        ptrace(how, pid, 0, signal);
    }
    fprintf(record, "matched %ld\n", matched);
    if (fclose(record)) stop("the record");
    if (WIFSIGNALED(ended)) {
        signal(WTERMSIG(ended), SIG_DFL);
        raise(WTERMSIG(ended));
    }
    return WEXITSTATUS(ended);
}
