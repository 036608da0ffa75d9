// Barriers in shared memory and the copies that end their phases: the host's side of bulk_copy.cuh.
#include "memory_barrier.h"

#include "block.h"
#include "host_barrier.h"
#include "host_block.h"

#include <stdio.h>
#include <string.h>
#include <vector>

namespace kfac_host {

namespace {

constexpr unsigned mark = 0xB57;

// The 8 bytes in shared memory.
struct State {
    unsigned long long mark : 12;
    unsigned long long parity : 1;     // of the phase that runs
    unsigned long long arrivals : 10;  // of each phase
    unsigned long long missing : 10;   // arrivals of this one
    long long bytes : 31;              // announced in this one and not yet come; below zero while they were not announced
};
static_assert(sizeof(State) == 8);

std::vector<BulkCopy> copies;  // under way

State read(const void* barrier) {
    State state;
    memcpy(&state, barrier, sizeof state);
    if (state.mark != mark) {
        fail("uses a barrier in shared memory that was not initialised");
    }

    return state;
}

void write(void* barrier, State state) {
    const bool ended = state.missing == 0 && state.bytes == 0;
    if (ended) {
        state.parity ^= 1;
        state.missing = state.arrivals;
    }

    memcpy(barrier, &state, sizeof state);
    if (ended) {
        wake(barrier);
    }
}

void perform(const BulkCopy& copy) {
    copy.perform(copy);
    State state = read(copy.barrier);
    state.bytes -= copy.bytes;
    write(copy.barrier, state);
}

}  // namespace

void init_barrier(void* barrier, unsigned arrivals) {
    if (arrivals < 1 || arrivals > 1023 || reinterpret_cast<size_t>(barrier) % 8 != 0) {
        fail("a barrier of %u arrivals at %p: wanted 1 to 1023, at a multiple of 8", arrivals, barrier);
    }

    State state = {};
    state.mark = mark;
    state.arrivals = state.missing = arrivals;
    memcpy(barrier, &state, sizeof state);
}

void arrive_at(void* barrier, unsigned bytes, const char* file, int line) {
    State state = read(barrier);
    if (state.missing == 0) {
        fail("arrives at %s:%d at a barrier that waits for bytes alone: %u arrivals a phase", file_name(file), line,
             static_cast<unsigned>(state.arrivals));
    }

    state.missing--;
    state.bytes += bytes;
    write(barrier, state);
}

void wait_at(void* barrier, unsigned parity, const char* file, int line) {
    while (read(barrier).parity == (parity & 1)) {
        park(barrier, "wait_barrier", file, line);
    }
}

void start_bulk_copy(const BulkCopy& copy) {
    read(copy.barrier);
    copies.push_back(copy);
}

bool bring_bulk_copies() {
    for (size_t i = copies.size(); i-- > 0;) {
        if (is_waited_for(copies[i].barrier)) {
            const BulkCopy copy = copies[i];
            copies.erase(copies.begin() + static_cast<long>(i));
            perform(copy);
            return true;
        }
    }

    return false;
}

void end_block_barriers() {
    if (!copies.empty()) {
        fail("the block ends while %zu bulk copies are under way that no thread waited for", copies.size());
    }
}

const char* describe_barrier(const void* barrier) {
    static char text[128];
    const State state = read(barrier);
    const int bytes = static_cast<int>(state.bytes);
    if (bytes < 0) {
        snprintf(text, sizeof text, "%u more arrivals, while %d bytes more came than were announced", static_cast<unsigned>(state.missing), -bytes);
    } else {
        snprintf(text, sizeof text, "%u more arrivals and %d more bytes", static_cast<unsigned>(state.missing), bytes);
    }

    return text;
}

}  // namespace kfac_host
