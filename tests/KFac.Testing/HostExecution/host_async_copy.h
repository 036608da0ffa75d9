// async_copy.cuh on the host. A copy is performed when its thread waits for it, and its destination holds ones (a NaN) until
// then: what is read without the wait, or still read when the copy starts, shows.
#pragma once

namespace kfac_host {

// Here, not in block.cpp, so that AddressSanitizer checks both sides.
static void perform_copy16(void* destination, const void* source, int bytes) {
    uint4 value = {};
    if (bytes == 16) {
        value = *static_cast<const uint4*>(source);
    } else {
        for (int i = 0; i < bytes; i++) {
            reinterpret_cast<unsigned char*>(&value)[i] = static_cast<const unsigned char*>(source)[i];
        }
    }

    *static_cast<uint4*>(destination) = value;
}
static void perform_copy4(void* destination, const void* source, int bytes) {
    *static_cast<unsigned*>(destination) = bytes == 4 ? *static_cast<const unsigned*>(source) : 0;
}

static inline void start_copy(Copy perform, void* shared, const void* global, int bytes, int filled) {
    const unsigned long long addresses = reinterpret_cast<unsigned long long>(shared) | reinterpret_cast<unsigned long long>(global);
    if (addresses % static_cast<unsigned>(filled) != 0) {
        fail("an asynchronous copy of %d bytes from %p to %p: wanted both at multiples of %d", filled, global, shared, filled);
    }

    for (int i = 0; i < filled / 4; i++) {
        static_cast<unsigned*>(shared)[i] = 0xffffffffu;
    }

    defer_copy(perform, shared, global, bytes);
}

}  // namespace kfac_host

namespace kfac {

static inline void copy_async16_first(void* shared, const void* global, int bytes) {
    kfac_host::start_copy(kfac_host::perform_copy16, shared, global, bytes, 16);
}
static inline void copy_async16(void* shared, const void* global, bool valid) {
    kfac_host::start_copy(kfac_host::perform_copy16, shared, global, valid ? 16 : 0, 16);
}
static inline void copy_async4(void* shared, const void* global, bool valid) {
    kfac_host::start_copy(kfac_host::perform_copy4, shared, global, valid ? 4 : 0, 4);
}
static inline void commit_copies() { kfac_host::commit_copies(); }
template <int Groups>
static inline void wait_copies() { kfac_host::wait_copies(Groups); }

}  // namespace kfac
