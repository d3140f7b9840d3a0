"""What a process below a runtime can try against its guardian: `attack.py DIR [NAME...]`.

Prints a line `NAME: OUTCOME` for each: the name of the error that the system gave, or `done`.
Without names it makes all attempts that leave it alive. The file `facts` beside it tells what an
attacker could have learned elsewhere: the guardian's process number, and where its files are.
"""

import ctypes
import errno
import os
import resource
import shutil
import signal
import socket
import struct
import sys
import time

DIR = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
FACTS = dict(line.strip().split(" = ", 1) for line in open(HERE + "/facts"))
LIBC = ctypes.CDLL(None, use_errno=True)
SYSCALL = {"x86_64": {"ptrace": 101, "setns": 308, "writev": 311},
           "aarch64": {"ptrace": 117, "setns": 268, "writev": 271}}[os.uname().machine]
PIDFD_OPEN, PIDFD_GETFD = 434, 438
NEWNS, NEWUSER = 0x20000, 0x10000000
RDONLY, REMOUNT, BIND = 1, 32, 4096
ATTACKS, LAST = {}, {}


def attack(function):
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


def last(function):
    """An attempt that may well end the one who makes it."""
    LAST[function.__name__.replace("_", " ")] = function
    return function


def call(function, *arguments):
    result = function(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def system(number, *arguments):
    return call(LIBC.syscall, ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])


def mount(source, target, flags, kind=None):
    call(LIBC.mount, source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), None)


def umount(target):
    call(LIBC.umount2, target.encode(), 2)


def runtime():
    """The process that holds the link: the parent of this one."""
    return os.getppid()


def in_new_namespace(function):
    """Does it as the root of a user and mount namespace of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            uid, gid = os.getuid(), os.getgid()
            call(LIBC.unshare, NEWUSER | NEWNS)
            open("/proc/self/setgroups", "w").write("deny")
            open("/proc/self/uid_map", "w").write("0 %d 1" % uid)
            open("/proc/self/gid_map", "w").write("0 %d 1" % gid)
            function()
            os.write(writer, b"done")
        except OSError as error:
            os.write(writer, errno.errorcode[error.errno].encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    word = os.read(reader, 100).decode()
    if word != "done":
        raise OSError(getattr(errno, word), "")


# First, before any other attempt opens something.

@attack
def inherit_a_descriptor_of_the_guardian():
    for number in os.listdir("/proc/self/fd"):
        try:
            to = os.readlink("/proc/self/fd/" + number)
        except FileNotFoundError:
            continue
        # The output of this very process lies in the data directory too.
        if int(number) > 2 and to.startswith(("socket:", DIR, FACTS["config"])):
            return
    raise OSError(errno.EBADF, "")


# Processes.

@attack
def kill_the_guardian():
    os.kill(int(FACTS["guardian"]), signal.SIGKILL)


@attack
def freeze_the_guardian():
    os.kill(int(FACTS["guardian"]), signal.SIGSTOP)


@attack
def see_any_process_outside():
    for number in range(2, 100_000):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            continue
        except PermissionError:
            return
        with open("/proc/%d/status" % number) as status:
            if "NSpid:\t%d\n" % number not in status.read():
                return
    raise OSError(errno.ESRCH, "")


@attack
def kill_the_init():
    os.kill(1, signal.SIGKILL)


@attack
def freeze_the_init():
    os.kill(1, signal.SIGSTOP)


@attack
def ptrace_the_init():
    system(SYSCALL["ptrace"], 0x4206, 1, 0, 0)


@attack
def write_into_the_memory_of_the_init():
    buffer = ctypes.create_string_buffer(b"x")
    vector = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 1)
    at = ctypes.addressof(vector)
    system(SYSCALL["writev"], 1, at, 1, at, 1, 0)


@attack
def open_the_memory_of_the_init():
    open("/proc/1/mem", "r+b")


@attack
def open_the_root_of_the_init():
    os.listdir("/proc/1/root/")


@attack
def list_the_descriptors_of_the_init():
    os.listdir("/proc/1/fd")


@attack
def take_a_descriptor_of_the_init():
    handle = system(PIDFD_OPEN, 1, 0)
    for number in range(3, 20):
        try:
            system(PIDFD_GETFD, handle, number, 0)
            return
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
    raise OSError(errno.EBADF, "")


@attack
def enter_the_namespaces_of_the_init():
    system(SYSCALL["setns"], system(PIDFD_OPEN, 1, 0), NEWNS)


# Rights.

@attack
def have_any_capability():
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
    if all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapAmb", "CapInh")):
        raise OSError(errno.EPERM, "")


@attack
def gain_rights_by_a_program():
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
    if status["NoNewPrivs"].strip() == "1":
        raise OSError(errno.EPERM, "")


@attack
def chroot():
    os.chroot("/tmp")


@attack
def make_a_device():
    os.mknod(DIR + "/disk", 0o60600, os.makedev(254, 0))


@attack
def open_the_block_device():
    open(FACTS["device"], "r+b")


@attack
def set_the_clock():
    time.clock_settime(time.CLOCK_REALTIME, time.time())


@attack
def write_a_setting_of_the_kernel():
    open("/proc/sys/kernel/core_pattern", "w")


# Safety files.

def touch(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


@attack
def create_STOP():
    touch(DIR + "/safety/STOP")


@attack
def delete_STOP():
    os.unlink(DIR + "/safety/STOP")


@attack
def rename_STOP():
    os.rename(DIR + "/safety/STOP", DIR + "/safety/x")


@attack
def write_the_marker():
    open(DIR + "/safety/marker", "r+")


@attack
def replace_the_marker():
    os.rename(DIR + "/attack.out", DIR + "/safety/marker")


@attack
def change_the_rights_of_the_marker():
    os.chmod(DIR + "/safety/marker", 0o666)


@attack
def write_the_list_of_resumes():
    touch(DIR + "/safety/resumes")


@attack
def append_to_the_safety_log():
    open(DIR + "/logs/safety_events.jsonl", "a")


@attack
def truncate_the_safety_log():
    os.truncate(DIR + "/logs/safety_events.jsonl", 0)


@attack
def delete_the_safety_log():
    os.unlink(DIR + "/logs/safety_events.jsonl")


@attack
def rename_the_folder_safety():
    os.rename(DIR + "/safety", DIR + "/safety2")


@attack
def rename_the_folder_logs():
    os.rename(DIR + "/logs", DIR + "/logs2")


@attack
def delete_the_lock():
    os.unlink(DIR + "/lock")


@attack
def rename_the_lock():
    os.rename(DIR + "/lock", DIR + "/lock2")


@attack
def link_the_marker_elsewhere():
    os.link(DIR + "/safety/marker", DIR + "/marker")


# Mounts.

@attack
def remount_safety_writable():
    mount("", DIR + "/safety", REMOUNT | BIND)


@attack
def unmount_safety():
    umount(DIR + "/safety")


@attack
def mount_over_safety():
    mount("x", DIR + "/safety", 0, "tmpfs")


@attack
def bind_over_safety():
    mount(DIR, DIR + "/safety", BIND)


@attack
def remount_safety_writable_in_a_new_namespace():
    in_new_namespace(lambda: mount("", DIR + "/safety", REMOUNT | BIND))


@attack
def unmount_safety_in_a_new_namespace():
    in_new_namespace(lambda: umount(DIR + "/safety"))


@attack
def unmount_what_hides_the_configuration_in_a_new_namespace():
    in_new_namespace(lambda: umount(FACTS["config"]))


@attack
def look_below_the_mounts_in_a_new_namespace():
    def look():
        os.makedirs(DIR + "/below", exist_ok=True)
        mount(DIR, DIR + "/below", BIND)
        open(DIR + "/below/safety/marker", "r+")
    in_new_namespace(look)


@attack
def mount_the_block_device_in_a_new_namespace():
    in_new_namespace(lambda: mount(FACTS["device"], "/mnt", 0, "ext4"))


@attack
def mount_over_safety_for_itself_in_a_new_namespace():
    in_new_namespace(lambda: mount("x", DIR + "/safety", 0, "tmpfs"))


# Configuration and programs.

@attack
def read_the_configuration():
    open(FACTS["config"] + "/guardian.conf")


@attack
def write_the_configuration():
    touch(FACTS["config"] + "/guardian.conf")


@attack
def write_the_register_of_directories():
    os.mkdir(FACTS["config"] + "/directories")


@attack
def rename_the_configuration():
    os.rename(FACTS["config"], FACTS["config"] + "2")


@attack
def write_the_program_of_the_guardian():
    os.close(os.open(FACTS["guardian program"], os.O_WRONLY))


@attack
def write_the_program_of_the_runtime():
    os.close(os.open(FACTS["runtime program"], os.O_WRONLY))


@attack
def replace_the_program_of_the_guardian():
    os.rename(DIR + "/attack.out", FACTS["guardian program"])


@attack
def write_a_file_of_root():
    open("/etc/passwd", "r+")


# The link.

@attack
def find_a_safety_file_open_in_the_runtime():
    folder = "/proc/%d/fd/" % runtime()
    for number in os.listdir(folder):
        to = os.readlink(folder + number)
        if any(word in to for word in ("/safety/", "/logs", "/lock", "guardian.conf")):
            return
    raise OSError(errno.EBADF, "")


def stolen_link():
    handle = system(PIDFD_OPEN, runtime(), 0)
    for number in range(3, 64):
        try:
            link = socket.socket(fileno=system(PIDFD_GETFD, handle, number, 0))
        except OSError as error:
            if error.errno in (errno.EBADF, errno.ENOTSOCK):
                continue
            raise
        if link.family == socket.AF_UNIX and link.type == socket.SOCK_SEQPACKET:
            return link
    raise OSError(errno.EBADF, "")


@attack
def forge_a_heartbeat():
    stolen_link().send(b"beat false 1 0")


# Those that may end the one who makes them.

@last
def ask_for_a_halt_by_the_pipe():
    pipe = os.open(DIR + "/safety/requests", os.O_WRONLY | os.O_NONBLOCK)
    os.write(pipe, b"the runtime itself\n")


@last
def say_what_no_runtime_says():
    stolen_link().send(b"clear 7")


@last
def forge_a_clean_end_and_kill_the_runtime():
    stolen_link().send(b"clean 1")
    os.kill(runtime(), signal.SIGKILL)


@last
def rename_the_data_directory():
    os.rename(DIR, DIR + "2")


@last
def swap_the_data_directory():
    shutil.copytree(DIR, DIR + "3", ignore=lambda *_: ["requests", "grow"])
    os.rename(DIR, DIR + "2")
    os.rename(DIR + "3", DIR)


@last
def lower_the_limits_of_the_init():
    resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))


@last
def interrupt_the_init_without_end():
    """By signals, and by orphans that end."""
    for _ in range(2):
        if os.fork() == 0:
            while True:
                try:
                    os.kill(1, signal.SIGCHLD)
                except PermissionError:
                    pass
                if os.fork() == 0:
                    os.fork()
                    os._exit(0)
                os.wait()


@last
def lower_the_priority_of_the_init():
    os.setpriority(os.PRIO_PROCESS, 1, 19)
    os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))


@last
def rename_the_folder_of_the_programs():
    folder = os.path.dirname(FACTS["guardian program"])
    os.rename(folder, folder + "2")


@last
def freeze_by_the_control_group():
    """Leaves the guardian's group and freezes it."""
    while not os.path.exists(HERE + "/group"):
        time.sleep(0.01)
    time.sleep(0.1)
    group = open(HERE + "/group").read()
    os.makedirs(group + "/attacker")
    open(group + "/attacker/cgroup.procs", "w").write(str(os.getpid()))
    open(group + "/guarded/cgroup.freeze", "w").write("1")


@last
def swap_the_data_directory_for_links():
    elsewhere = HERE + "/elsewhere"
    os.makedirs(elsewhere, exist_ok=True)
    os.rename(DIR, DIR + "2")
    os.mkdir(DIR)
    for name in ("safety", "logs"):
        os.symlink(elsewhere, DIR + "/" + name)


@last
def kill_all_that_can_be_seen():
    os.kill(-1, signal.SIGKILL)


for name, function in {**ATTACKS, **LAST}.items():
    if name in sys.argv[2:] or (len(sys.argv) == 2 and name in ATTACKS):
        try:
            function()
            outcome = "done"
        except OSError as error:
            outcome = errno.errorcode.get(error.errno, str(error))
        print("%s: %s" % (name, outcome), flush=True)
