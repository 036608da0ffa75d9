// A cooperative thread: a stack of its own, and a switch that saves what calls preserve. AddressSanitizer is told of each switch.
#pragma once

#include <stddef.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace kfac_host {

class Fiber {
public:
    Fiber() = default;
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Stands for the thread that calls, with the stack that it has.
    void adopt();

    // Gives it a stack, on which `body` starts at the first switch. `body` calls arrived() first and never returns.
    void start(void (*body)(), unsigned number);

    // Leaves `from`, which runs; returns when something switches back to it.
    static void change(Fiber& from, Fiber& to);

    void arrived();

private:
    void* bottom_ = nullptr;
    size_t bytes_ = 0;
    void* fake_stack_ = nullptr;
#if defined(__x86_64__)
    void* stack_pointer_ = nullptr;
#else
    ucontext_t context_ = {};
#endif
};

}  // namespace kfac_host
