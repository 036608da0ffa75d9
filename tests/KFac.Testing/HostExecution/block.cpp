// The threads of a block take turns: one runs until it waits. Which of those that can run is next comes from a seeded generator, so
// that a kernel without a barrier that it needs meets an order that shows it. Run once more with `reversed`, any two threads that
// could have run in either order have.
#include "block.h"

#include "fiber.h"
#include "memory_barrier.h"
#include "shared_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

namespace kfac_host {

namespace {

enum class State { running, at_barrier, at_named_barrier, in_exchange, yielding, parked, done };

struct DeferredCopy {
    Copy perform;
    void* destination;
    const void* source;
    int bytes;
    int group;
};

struct Thread : ThreadView {
    unsigned number;
    unsigned warp;
    State state;
    const char* operation;  // what it waits for, and where
    const char* file;
    int line;
    unsigned mask;
    int barrier_number;
    const void* key;  // of what it is parked for
    std::vector<DeferredCopy> copies;
    int copy_groups;
    Fiber fiber;
};

// Lanes of a warp that work together by one mask. Two sets of words: a lane may bring its next before another has read the last.
struct Group {
    unsigned mask;
    unsigned arrived;
    int first;  // thread that came first, and what it called: one string a source file, so that addresses tell operations apart
    const char* operation;
    unsigned generation;
    Lanes lanes[2];
};

struct NamedBarrier {
    int arrived;
    int expected;
};

Launch launch;
std::vector<Thread*> threads;        // grows with the largest block
std::vector<Thread*> ready;          // the last one runs next
std::vector<std::vector<Group*>> groups;  // of each warp
NamedBarrier named_barriers[16];
Fiber main_fiber;
unsigned count;      // threads of a block
unsigned done;
unsigned at_barrier;
unsigned yielded;    // turns given up in vain since a thread last got anywhere else
int true_predicates, barrier_result;
const Thread* first_at_barrier;
unsigned long long random_state;
const Kernel* first_kernel;

Thread* self() { return static_cast<Thread*>(current); }

unsigned next_random() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return static_cast<unsigned>(random_state >> 32);
}

// Calls visit(i) for all i below n, in an order made by flipping bits of i: any two change places for half of the flips.
template <typename Visit>
void shuffled(unsigned n, Visit visit) {
    unsigned size = 1;
    while (size < n) {
        size *= 2;
    }

    const unsigned flips = (next_random() ^ (launch.reversed ? ~0u : 0u)) & (size - 1);
    for (unsigned i = 0; i < size; i++) {
        if ((i ^ flips) < n) {
            visit(i ^ flips);
        }
    }
}

void make_ready(Thread* thread) {
    thread->state = State::running;
    ready.push_back(thread);
}

const char* state_text(const Thread& thread) {
    static char text[256];
    switch (thread.state) {
        case State::done:
            return "has returned";
        case State::in_exchange:
            snprintf(text, sizeof text, "waits in %s(0x%08x) at %s:%d", thread.operation, thread.mask, file_name(thread.file), thread.line);
            return text;
        case State::running:
            return "runs";
        case State::parked:
            snprintf(text, sizeof text, "waits in %s at %s:%d for %s", thread.operation, file_name(thread.file), thread.line,
                     describe_barrier(thread.key));
            return text;
        default:
            snprintf(text, sizeof text, "waits in %s at %s:%d", thread.operation, file_name(thread.file), thread.line);
            return text;
    }
}

// Nobody can run, and not all are done: names one thread of each kind.
[[noreturn]] void deadlock() {
    char text[2048] = "";
    size_t used = 0;
    char last[256] = "";
    for (unsigned i = 0; i < count && used < sizeof text - 400; i++) {
        const char* state = state_text(*threads[i]);
        if (strcmp(state, last) != 0) {
            used += static_cast<size_t>(snprintf(text + used, sizeof text - used, "; thread %u %s", i, state));
            snprintf(last, sizeof last, "%s", state);
        }
    }

    fail("threads wait for each other for ever (a barrier or mask that not all of them reach, or bytes that do not come)%s", text);
}

// Runs another thread. Returns at once when the one that calls is chosen itself.
void schedule() {
    Thread* from = self();
    while (ready.empty() && done != count) {
        if (!bring_bulk_copies()) {
            deadlock();
        }
    }

    if (ready.empty()) {
        Fiber::change(from->fiber, main_fiber);
        return;
    }

    Thread* to = ready.back();
    ready.pop_back();
    if (to != from) {
        current = to;
        Fiber::change(from->fiber, to->fiber);
    }
}

void thread_main() {
    self()->fiber.arrived();
    for (;;) {
        launch.kernel->run(launch.arguments);
        self()->copies.clear();
        self()->copy_groups = 0;
        self()->state = State::done;
        done++;
        yielded = 0;
        schedule();
    }
}

void wait(State state, const char* operation, const char* file, int line) {
    Thread* thread = self();
    thread->state = state;
    thread->operation = operation;
    thread->file = file;
    thread->line = line;
}

Group& group_of(const Thread& thread, unsigned mask) {
    std::vector<Group*>& all = groups[thread.warp];
    for (Group* group : all) {
        if (group->mask == mask) {
            return *group;
        }
    }

    all.push_back(new Group());
    all.back()->mask = mask;
    return *all.back();
}

// Lanes that the warp has; fewer than 32 in the last of a block whose size is no multiple.
unsigned existing_lanes(unsigned warp) {
    const unsigned lanes = count - warp * 32;
    return lanes >= 32 ? 0xffffffffu : (1u << lanes) - 1;
}

void prepare(const Index3& block) {
    count = block.x * block.y * block.z;
    while (threads.size() < count) {
        Thread* thread = new Thread();
        thread->number = static_cast<unsigned>(threads.size());
        thread->lane = thread->number % 32;
        thread->warp = thread->number / 32;
        thread->fiber.start(thread_main, thread->number);
        threads.push_back(thread);
        groups.resize((threads.size() + 31) / 32);
    }

    for (unsigned i = 0; i < count; i++) {
        threads[i]->index = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
    }
}

void run_block(unsigned long long number) {
    block_index.x = static_cast<unsigned>(number % grid_size.x);
    block_index.y = static_cast<unsigned>(number / grid_size.x % grid_size.y);
    block_index.z = static_cast<unsigned>(number / grid_size.x / grid_size.y);
    poison_shared_memory(launch.kernel->file, launch.shared_bytes);
    done = at_barrier = yielded = 0;
    true_predicates = 0;
    memset(named_barriers, 0, sizeof named_barriers);
    shuffled(count, [](unsigned i) { make_ready(threads[i]); });
    Thread* first = ready.back();
    ready.pop_back();
    current = first;
    Fiber::change(main_fiber, first->fiber);
    current = nullptr;
    end_block_barriers();
}

}  // namespace

ThreadView* current;
Index3 block_index, block_size, grid_size;

Kernel::Kernel(
    const char* file, const char* name, const char* arguments, int argument_bytes, int most_threads, void (*run)(const void*))
    : file(file), name(name), arguments(arguments), argument_bytes(argument_bytes), most_threads(most_threads), run(run), next(first_kernel) {
    first_kernel = this;
}

const Kernel* kernels() { return first_kernel; }

const char* file_name(const char* path) { return strrchr(path, '/') == nullptr ? path : strrchr(path, '/') + 1; }

const char* where() {
    static char text[256];
    if (launch.kernel == nullptr) {
        return "";
    }

    int used = snprintf(
        text, sizeof text, "kernel %s, block (%u, %u, %u)", launch.kernel->name, block_index.x, block_index.y, block_index.z);
    if (current != nullptr) {
        snprintf(
            text + used, sizeof text - static_cast<size_t>(used), ", thread (%u, %u, %u)", current->index.x, current->index.y, current->index.z);
    }

    return text;
}

void fail(const char* format, ...) {
    char text[4096];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    fail_with(text);
}

int barrier(const char* operation, bool predicate, const char* file, int line) {
    wait(State::at_barrier, operation, file, line);
    if (at_barrier == 0) {
        first_at_barrier = self();
        true_predicates = 0;
    } else if (line != first_at_barrier->line || file != first_at_barrier->file) {
        fail("stands at %s of %s:%d while thread %u stands at that of %s:%d (divergent barrier)", operation, file_name(file), line,
             first_at_barrier->number, file_name(first_at_barrier->file), first_at_barrier->line);
    }

    true_predicates += predicate;
    if (++at_barrier == count) {
        at_barrier = 0;
        yielded = 0;
        barrier_result = true_predicates;
        shuffled(count, [](unsigned i) { make_ready(threads[i]); });
    }

    schedule();
    return barrier_result;
}

void named_barrier(int number, int expected, const char* file, int line) {
    NamedBarrier& barrier = named_barriers[number];
    if (number < 1 || number > 15 || expected % 32 != 0 || (barrier.arrived > 0 && barrier.expected != expected)) {
        fail("named barrier %d of %d threads at %s:%d: wanted 1 to 15, a multiple of 32, and one size for all", number, expected, file, line);
    }

    wait(State::at_named_barrier, "a named barrier", file, line);
    self()->barrier_number = number;
    barrier.expected = expected;
    if (++barrier.arrived == expected) {
        barrier.arrived = 0;
        yielded = 0;
        shuffled(count, [number](unsigned i) {
            if (threads[i]->state == State::at_named_barrier && threads[i]->barrier_number == number) {
                make_ready(threads[i]);
            }
        });
    }

    schedule();
}

const Lanes& exchange(
    const char* operation, unsigned mask, const unsigned* words, int word_count, const char* file, int line, void (*finish)(Lanes&)) {
    Thread* thread = self();
    const unsigned lane = 1u << thread->lane;
    if ((mask & lane) == 0) {
        fail("%s at %s:%d: its mask 0x%08x does not name lane %u, which calls it", operation, file, line, mask, thread->lane);
    }

    Group& group = group_of(*thread, mask);
    wait(State::in_exchange, operation, file, line);
    thread->mask = mask;
    Lanes& lanes = group.lanes[group.generation % 2];
    if (group.arrived == 0) {
        group.first = static_cast<int>(thread->number);
        group.operation = operation;
    } else if (group.operation != operation) {
        fail("calls %s at %s:%d while thread %d %s", operation, file_name(file), line, group.first,
             state_text(*threads[static_cast<size_t>(group.first)]));
    }

    for (int i = 0; i < word_count; i++) {
        lanes.words[thread->lane][i] = words[i];
    }

    group.arrived |= lane;
    if (group.arrived == (mask & existing_lanes(thread->warp))) {
        group.arrived = 0;
        group.generation++;
        yielded = 0;
        if (finish != nullptr) {
            finish(lanes);
        }

        const unsigned base = thread->warp * 32;
        shuffled(32, [base, mask](unsigned i) {
            if ((mask >> i & 1) != 0 && base + i < count) {
                make_ready(threads[base + i]);
            }
        });
    }

    schedule();
    return lanes;
}

void yield(const char* operation, const char* file, int line) {
    wait(State::yielding, operation, file, line);
    if (++yielded > 1000 * count) {
        deadlock();
    }

    self()->state = State::running;
    ready.insert(ready.begin(), self());
    schedule();
}

void park(const void* key, const char* operation, const char* file, int line) {
    wait(State::parked, operation, file, line);
    self()->key = key;
    schedule();
}

void wake(const void* key) {
    yielded = 0;
    shuffled(count, [key](unsigned i) {
        if (threads[i]->state == State::parked && threads[i]->key == key) {
            make_ready(threads[i]);
        }
    });
}

bool is_waited_for(const void* key) {
    for (unsigned i = 0; i < count; i++) {
        if (threads[i]->state == State::parked && threads[i]->key == key) {
            return true;
        }
    }

    return false;
}

void defer_copy(Copy perform, void* destination, const void* source, int bytes) {
    self()->copies.push_back({perform, destination, source, bytes, self()->copy_groups});
}

void commit_copies() { self()->copy_groups++; }

void wait_copies(int groups_left) {
    Thread* thread = self();
    size_t performed = 0;
    while (performed < thread->copies.size() && thread->copies[performed].group < thread->copy_groups - groups_left) {
        const DeferredCopy& copy = thread->copies[performed++];
        copy.perform(copy.destination, copy.source, copy.bytes);
    }

    thread->copies.erase(thread->copies.begin(), thread->copies.begin() + static_cast<long>(performed));
}

void run(const Launch& wanted) {
    launch = wanted;
    if (threads.empty()) {
        main_fiber.adopt();
    }

    random_state = launch.seed * 0x9E3779B97F4A7C15ull + 0x1234567ull;
    grid_size = launch.grid;
    block_size = launch.block;
    prepare(launch.block);
    const unsigned long long blocks = static_cast<unsigned long long>(grid_size.x) * grid_size.y * grid_size.z;
    const bool backwards = (next_random() & 1) != (launch.reversed ? 1u : 0u);
    for (unsigned long long i = 0; i < blocks; i++) {
        run_block(backwards ? blocks - 1 - i : i);
    }

    launch.kernel = nullptr;
}

}  // namespace kfac_host
