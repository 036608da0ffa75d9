// The program that stands for a GPU: reads requests from its standard input, keeps memory, runs kernels. HostRuntime.cs is the other
// side. A request is one letter and its operands, little-endian; only those that ask for something are answered:
//   A bytes            allocates                      -> 0 address (0: no room)
//   F address          frees
//   W address bytes …  copies to the device
//   R address bytes    copies from the device         -> 0 …
//   S address bytes b  sets each byte to b
//   L module name …    runs a kernel (Request below)
//   Y                                                 -> 0
//   K                  lists the kernels              -> 0 length, lines of "module name arguments bytes threads"
// An error is the byte 1, a length and a text, after which the program ends: like a GPU's, errors are found at the next answer.
#include "block.h"
#include "device_memory.h"

#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/time.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

// Stack frames of fibers outlive nothing, leaks are the process's end, and the tests read the report, not its colours.
extern "C" const char* __asan_default_options() {
    return "detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1:quarantine_size_mb=64:color=never:"
           "abort_on_error=0:max_allocation_size_mb=16384";
}
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=0:color=never"; }

namespace kfac_host {

static int answers;  // descriptor

static void write_all(const void* data, size_t bytes) {
    const char* next = static_cast<const char*>(data);
    while (bytes > 0) {
        const ssize_t written = write(answers, next, bytes);
        if (written <= 0) {
            _exit(1);
        }

        next += written;
        bytes -= static_cast<size_t>(written);
    }
}

static void answer_text(char status, const std::string& text) {
    const int32_t length = static_cast<int32_t>(text.size());
    write_all(&status, 1);
    write_all(&length, 4);
    write_all(text.data(), text.size());
}

void fail_with(const char* text) {
    const std::string place = where();
    answer_text(1, place.empty() ? text : place + ": " + text);
    _exit(1);
}

// The sanitizers' reports go to standard error; the other side joins them to this.
static void on_report() {
    const std::string place = where();
    answer_text(1, (place.empty() ? "outside kernels" : place) + ": ");
}

class Requests {
public:
    void read_bytes(void* data, size_t bytes) {
        if (fread(data, 1, bytes, stdin) != bytes) {
            _exit(0);
        }
    }

    template <typename T>
    T read() {
        T value;
        read_bytes(&value, sizeof value);
        return value;
    }

    std::string read_text() {
        std::string text(static_cast<size_t>(read<int32_t>()), ' ');
        read_bytes(text.data(), text.size());
        return text;
    }
};

static std::string module_of(const Kernel& kernel) {
    const char* base = strrchr(kernel.file, '/') == nullptr ? kernel.file : strrchr(kernel.file, '/') + 1;
    return std::string(base, strlen(base) - strlen(".cu"));
}

class Harness {
public:
    Harness(long long repeated_threads, unsigned longest_seconds)
        : repeated_threads_(repeated_threads), longest_seconds_(longest_seconds) {
        for (const Kernel* kernel = kernels(); kernel != nullptr; kernel = kernel->next) {
            kernels_[module_of(*kernel) + " " + kernel->name] = kernel;
        }
    }

    void serve() {
        for (;;) {
            switch (requests_.read<char>()) {
                case 'A': allocate(); break;
                case 'F': memory_.free(requests_.read<void*>()); break;
                case 'W': copy_in(); break;
                case 'R': copy_out(); break;
                case 'S': set(); break;
                case 'L': launch(); break;
                case 'Y': write_all("", 1); break;
                case 'K': list(); break;
                default: fail_with("unknown request");
            }
        }
    }

private:
    void allocate() {
        void* address = memory_.allocate(requests_.read<int64_t>());
        write_all("", 1);
        write_all(&address, sizeof address);
    }

    void copy_in() {
        char* address = requests_.read<char*>();
        const int64_t bytes = requests_.read<int64_t>();
        memory_.check(address, bytes);
        requests_.read_bytes(address, static_cast<size_t>(bytes));
    }

    void copy_out() {
        const char* address = requests_.read<const char*>();
        const int64_t bytes = requests_.read<int64_t>();
        memory_.check(address, bytes);
        write_all("", 1);
        write_all(address, static_cast<size_t>(bytes));
    }

    void set() {
        char* address = requests_.read<char*>();
        const int64_t bytes = requests_.read<int64_t>();
        memory_.check(address, bytes);
        memset(address, requests_.read<unsigned char>(), static_cast<size_t>(bytes));
    }

    void launch() {
        const std::string name = requests_.read_text();
        Launch launch = {};
        launch.grid = requests_.read<Index3>();
        launch.block = requests_.read<Index3>();
        launch.shared_bytes = requests_.read<int32_t>();
        launch.seed = ++launches_;
        const std::string arguments = requests_.read_text();
        const auto found = kernels_.find(name);
        if (found == kernels_.end()) {
            fail("there is no kernel '%s'", name.c_str());
        }

        launch.kernel = found->second;
        check(launch, arguments.size());
        void* copy = aligned_alloc(64, (arguments.size() + 63) / 64 * 64);
        memcpy(copy, arguments.data(), arguments.size());
        launch.arguments = copy;
        limit_time(longest_seconds_);
        run_in_two_orders(launch);
        limit_time(0);
        free(copy);
    }

    // Of the processor's time: a busy machine makes no launch endless.
    static void limit_time(unsigned seconds) {
        const itimerval timer = {{}, {static_cast<time_t>(seconds), 0}};
        setitimer(ITIMER_PROF, &timer, nullptr);
    }

    static void check(const Launch& launch, size_t argument_bytes) {
        const Kernel& kernel = *launch.kernel;
        const unsigned long long threads = 1ull * launch.block.x * launch.block.y * launch.block.z;
        if (argument_bytes != static_cast<size_t>(kernel.argument_bytes)) {
            fail("kernel %s takes %s of %d bytes, was given %zu", kernel.name, kernel.arguments, kernel.argument_bytes, argument_bytes);
        }

        if (threads == 0 || threads > static_cast<unsigned>(kernel.most_threads)) {
            fail("kernel %s was launched with %llu threads a block; wanted 1 to %d", kernel.name, threads, kernel.most_threads);
        }

        if (launch.grid.x == 0 || launch.grid.y == 0 || launch.grid.z == 0 || launch.grid.y > 65535 || launch.grid.z > 65535) {
            fail("kernel %s was launched with a grid of %u x %u x %u blocks", kernel.name, launch.grid.x, launch.grid.y, launch.grid.z);
        }
    }

    void run_in_two_orders(Launch& launch) {
        const long long threads = 1ll * launch.grid.x * launch.grid.y * launch.grid.z * launch.block.x * launch.block.y * launch.block.z;
        if (threads > repeated_threads_) {
            run(launch);
            return;
        }

        memory_.save(before_);
        run(launch);
        memory_.save(after_);
        memory_.restore(before_);
        launch.reversed = true;
        run(launch);
        const char* difference = memory_.difference(after_);
        if (*difference != 0) {
            fail("kernel %s: the result depends on the order in which threads run (a missing barrier, or two threads that write one place): %s",
                 launch.kernel->name, difference);
        }
    }

    void list() {
        std::string lines;
        for (const auto& [name, kernel] : kernels_) {
            lines += name + " " + kernel->arguments + " " + std::to_string(kernel->argument_bytes) + " " +
                     std::to_string(kernel->most_threads) + "\n";
        }

        answer_text(0, lines);
    }

    Requests requests_;
    DeviceMemory memory_;
    std::unordered_map<std::string, const Kernel*> kernels_;
    std::vector<char> before_, after_;
    unsigned long long launches_ = 0;
    const long long repeated_threads_;
    const unsigned longest_seconds_;
};

static void on_alarm(int) { fail_with("runs for too long: it waits for something that no other thread does"); }

}  // namespace kfac_host

// Called by UndefinedBehaviorSanitizer, which does not call the death callback of AddressSanitizer's library.
extern "C" void __ubsan_on_report() { kfac_host::on_report(); }

// Launches of at most argv[1] threads run twice, in opposite orders; one may take argv[2] seconds.
int main(int count, char** arguments) {
    using namespace kfac_host;
    answers = dup(STDOUT_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    __sanitizer_set_death_callback(on_report);
    signal(SIGPROF, on_alarm);
    if (count == 3) {
        Harness(atoll(arguments[1]), static_cast<unsigned>(atoi(arguments[2]))).serve();
    }

    return 2;
}
