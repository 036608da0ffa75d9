// bulk_copy.cuh on the host. A copy is performed as late as can be: when no thread can go on without it, and one waits at its
// barrier. Its destination holds ones (a NaN) from the copy's start until then: what is read without the wait, or still read
// when the copy starts, shows.
#pragma once

#include "host_barrier.h"

#define KFAC_ARGUMENTS_ADDRESS(name, Arguments, address) const Arguments* const address = &args

namespace kfac_host {

// As HostRuntime.EncodeTensorMap writes it. Lengths in elements, distances in bytes.
struct HostTensorMap {
    const char* address;
    long long columns, rows, matrices, row_bytes, matrix_bytes, box_columns, box_rows, mark;
};

static const HostTensorMap& read_map(const TensorMap* map) {
    const auto& result = *reinterpret_cast<const HostTensorMap*>(map);
    if (result.mark != 0x50414d52534e4554) {
        fail("a bulk copy by what is no tensor map");
    }

    return result;
}

// Here, so that AddressSanitizer checks both sides.
static void perform_box(const BulkCopy& copy) {
    const HostTensorMap& map = read_map(copy.map);
    for (int i = 0; i < map.box_rows; i++) {
        for (int j = 0; j < map.box_columns; j++) {
            const long long row = copy.row + i, column = copy.column + j;
            const bool inside =
                row >= 0 && row < map.rows && column >= 0 && column < map.columns && copy.matrix >= 0 && copy.matrix < map.matrices;
            const char* from = map.address + copy.matrix * map.matrix_bytes + row * map.row_bytes + column * 4;
            copy.destination[i * 32 + (j / 4 ^ i % 8) * 4 + j % 4] = inside ? *reinterpret_cast<const float*>(from) : 0.0f;
        }
    }
}

// An access that AddressSanitizer checks.
static inline void touch(const void* shared) { static_cast<void>(*static_cast<const volatile unsigned long long*>(shared)); }

}  // namespace kfac_host

namespace kfac {

static inline void publish_shared() {}
static inline void init_barrier(Barrier* barrier, unsigned arrivals) {
    kfac_host::touch(barrier);
    kfac_host::init_barrier(barrier, arrivals);
}
static inline void arrive(Barrier* barrier, KFAC_HERE) {
    kfac_host::touch(barrier);
    kfac_host::arrive_at(barrier, 0, file, line);
}
static inline void arrive_expecting(Barrier* barrier, unsigned bytes, KFAC_HERE) {
    kfac_host::touch(barrier);
    kfac_host::arrive_at(barrier, bytes, file, line);
}
static inline void wait_barrier(Barrier* barrier, unsigned parity, KFAC_HERE) {
    kfac_host::touch(barrier);
    kfac_host::wait_at(barrier, parity, file, line);
}

static inline void copy_box(float* shared, const TensorMap* map, int column, int row, int matrix, Barrier* barrier) {
    const kfac_host::HostTensorMap& shape = kfac_host::read_map(map);
    if (reinterpret_cast<unsigned long long>(shared) % 1024 != 0) {
        kfac_host::fail("a bulk copy to %p: wanted a multiple of 1024", static_cast<void*>(shared));
    }

    const int words = static_cast<int>(shape.box_rows) * box_row_bytes / 4;
    for (int i = 0; i < words; i++) {
        reinterpret_cast<unsigned*>(shared)[i] = 0xffffffffu;
    }

    kfac_host::touch(barrier);
    kfac_host::start_bulk_copy({kfac_host::perform_box, barrier, shared, map, column, row, matrix, 4 * words});
}

static inline void synchronize_threads(int number, int threads, KFAC_HERE) { kfac_host::named_barrier(number, threads, file, line); }

template <int Count>
static inline void take_registers() {}
template <int Count>
static inline void give_registers() {}

}  // namespace kfac
