// What kernels on the host see of barriers in shared memory and of the copies that end at them. memory_barrier.cpp is behind it.
// No standard headers here: a kernel may be called like anything in them.
#pragma once

struct TensorMap;

namespace kfac_host {

struct BulkCopy {
    void (*perform)(const BulkCopy& copy);
    void* barrier;
    float* destination;
    const TensorMap* map;
    int column, row, matrix, bytes;
};

void init_barrier(void* barrier, unsigned arrivals);
void arrive_at(void* barrier, unsigned bytes, const char* file, int line);
void wait_at(void* barrier, unsigned parity, const char* file, int line);
void start_bulk_copy(const BulkCopy& copy);

}  // namespace kfac_host
