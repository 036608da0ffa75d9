// A stand-in for NVIDIA's driver library, for tests of the binding on machines without a GPU.
//
// It keeps device memory in host memory, runs work of a stream only when something waits for it (so that a buffer that is
// reused too early shows), counts every handle, and notes misuse: a handle that does not exist, a call without a current
// context, memory that was freed. Calls can be scripted to fail. It runs one kernel, `fill` of elementwise.cu.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500,
       ILLEGAL_ADDRESS = 700, CAPTURE_UNSUPPORTED = 900, GRAPH_UPDATE_FAILURE = 910, NO_DEVICE = 100 };

typedef enum { FREE, CONTEXT, STREAM, EVENT, POOL, MODULE, FUNCTION, GRAPH, EXECUTABLE, MEMORY, HOST, KINDS } Kind;
static const char* kind_names[KINDS] = {"free", "context", "stream", "event", "pool", "module", "function", "graph", "executable", "memory", "host"};

typedef struct { enum { COPY, FILL, KERNEL, RECORD, WAIT, RELEASE } type; void* to; const void* from; size_t bytes; int value;
                 void* object; long version; char name[64]; unsigned char arguments[256]; } Work;
typedef struct { Kind kind; void* block; size_t bytes; Work* work; int count, capacity, done, capturing; long recorded, reached;
                 void* stream; char name[64]; int parent; } Object;

enum { MAX = 4096 };
static Object objects[MAX];
static pthread_mutex_t lock;
static char calls[1 << 20], misuse[1 << 16];
static char failing[64];
static int failing_after, failing_code, devices, version, major_capability, retained;
static size_t capacity, used;
static __thread void* stack[64];
static __thread int depth;

__attribute__((constructor)) static void start(void) {
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &recursive);
}

static void note(char* buffer, size_t size, const char* format, ...) {
    size_t length = strlen(buffer);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer + length, size - length, format, arguments);
    va_end(arguments);
}

// ---- control, for the tests ----
EXPORT void fake_reset(void) {
    pthread_mutex_lock(&lock);
    memset(objects, 0, sizeof objects);
    calls[0] = misuse[0] = failing[0] = 0;
    devices = 1; version = 12040; major_capability = 9; retained = 0; used = 0; capacity = (size_t)1 << 30;
    pthread_mutex_unlock(&lock);
}
EXPORT void fake_set(int device_count, int driver_version, int capability, size_t memory) {
    devices = device_count; version = driver_version; major_capability = capability; capacity = memory;
}
// The call fails once with the code, after it has succeeded so many times.
EXPORT void fake_fail(const char* call, int after, int code) {
    snprintf(failing, sizeof failing, "%s", call); failing_after = after; failing_code = code;
}
EXPORT const char* fake_calls(void) { return calls; }
EXPORT const char* fake_misuse(void) { return misuse; }
EXPORT int fake_alive(const char* kind) {
    int count = 0;
    for (int i = 1; i < MAX; i++) count += objects[i].kind != FREE && objects[i].kind != FUNCTION && (!*kind || !strcmp(kind, kind_names[objects[i].kind]));
    return count;
}
EXPORT int fake_context_depth(void) { return depth; }
EXPORT int fake_retained(void) { return retained; }

// ---- handles ----
static void* make(Kind kind) {
    for (int i = 1; i < MAX; i++) {
        if (objects[i].kind == FREE) {
            memset(&objects[i], 0, sizeof objects[i]);
            objects[i].kind = kind;
            return &objects[i];
        }
    }
    abort();
}
static Object* get(void* handle, Kind kind, const char* call) {
    Object* object = handle;
    if (object <= objects || object >= objects + MAX || object->kind != kind) {
        note(misuse, sizeof misuse, "%s: no such %s; ", call, kind_names[kind]);
        return NULL;
    }
    return object;
}
static int scripted(const char* call) {
    note(calls, sizeof calls, "%s ", call);
    if (strcmp(call, failing) || failing_after-- > 0) return SUCCESS;
    failing[0] = 0;
    return failing_code;
}
#define ENTER                                                                        \
    __attribute__((cleanup(leave))) int locked_ = (pthread_mutex_lock(&lock), 1);    \
    { int code_ = scripted(__func__); if (code_) return code_; }
#define ENTER_CONTEXT                                                                \
    ENTER                                                                            \
    if (!depth) { note(misuse, sizeof misuse, "%s: no current context; ", __func__); return INVALID_CONTEXT; }
#define GET(variable, handle, kind)                                                  \
    Object* variable = get(handle, kind, __func__);                                  \
    if (!variable) return INVALID_HANDLE;
static void leave(int* locked) { (void)locked; pthread_mutex_unlock(&lock); }

static Object* memory_of(const void* address, size_t bytes, const char* call) {
    for (int i = 1; i < MAX; i++) {
        Object* o = &objects[i];
        if ((o->kind == MEMORY || o->kind == HOST) && (char*)address >= (char*)o->block && (char*)address + bytes <= (char*)o->block + o->bytes) return o;
    }
    note(misuse, sizeof misuse, "%s: %zu bytes that are not allocated; ", call, bytes);
    return NULL;
}

// ---- streams: work waits until something waits for it ----
static void run(Object* stream, int end);
static void reach(Object* event, long version_) {
    Object* stream = event->stream;
    if (stream && event->reached < version_) {
        for (int i = stream->done; i < stream->count; i++) {
            if (stream->work[i].type == RECORD && stream->work[i].object == event && stream->work[i].version == version_) { run(stream, i + 1); return; }
        }
    }
}
static void execute(Work* work) {
    switch (work->type) {
        case COPY: if (memory_of(work->to, work->bytes, "copy") && memory_of(work->from, work->bytes, "copy")) memmove(work->to, work->from, work->bytes); break;
        case FILL: if (memory_of(work->to, work->bytes, "memset")) memset(work->to, work->value, work->bytes); break;
        case KERNEL:
            if (!strcmp(work->name, "fill")) {
                struct { float *x, *y, *row, *column; long long x_stride, y_stride; int rows, columns, pack; float alpha, beta; } a;
                memcpy(&a, work->arguments, sizeof a);
                for (int i = 0; i < a.rows; i++)
                    for (int j = 0; j < a.columns; j++)
                        if (memory_of(&a.y[i * a.y_stride + j], 4, "fill")) a.y[i * a.y_stride + j] = a.alpha;
            }
            break;
        case RECORD: ((Object*)work->object)->reached = work->version; break;
        case WAIT: reach(work->object, work->version); break;
        case RELEASE: { Object* o = work->object; used -= o->bytes; free(o->block); o->kind = FREE; break; }
    }
}
static void run(Object* stream, int end) {
    while (stream->done < end) {
        Work work = stream->work[stream->done++];
        execute(&work);
    }
}
static void add(Object* stream, Work work) {
    if (stream->count == stream->capacity) {
        stream->capacity = stream->capacity ? 2 * stream->capacity : 64;
        stream->work = realloc(stream->work, stream->capacity * sizeof(Work));
    }
    stream->work[stream->count++] = work;
}

// ---- the driver ----
EXPORT int cuInit(unsigned flags) { ENTER (void)flags; return devices < 0 ? NO_DEVICE : SUCCESS; }
EXPORT int cuDriverGetVersion(int* v) { ENTER *v = version; return SUCCESS; }
EXPORT int cuGetErrorName(int e, const char** name) {
    switch (e) {
        case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; return SUCCESS;
        case ILLEGAL_ADDRESS: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; return SUCCESS;
        case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; return SUCCESS;
        default: return INVALID_VALUE;
    }
}
EXPORT int cuGetErrorString(int e, const char** text) {
    if (e == ILLEGAL_ADDRESS) { *text = "an illegal memory access was encountered"; return SUCCESS; }
    if (e == OUT_OF_MEMORY) { *text = "out of memory"; return SUCCESS; }
    return INVALID_VALUE;
}
EXPORT int cuDeviceGetCount(int* count) { ENTER *count = devices; return SUCCESS; }
EXPORT int cuDeviceGet(int* device, int ordinal) { ENTER *device = 70 + ordinal; return ordinal < devices ? SUCCESS : INVALID_VALUE; }
EXPORT int cuDeviceGetName(char* name, int length, int device) { ENTER snprintf(name, length, "Fake GPU %d", device - 70); return SUCCESS; }
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
    ENTER
    if (device < 70) return INVALID_VALUE;
    switch (attribute) {
        case 16: *value = 132; break;
        case 38: *value = 50 << 20; break;
        case 75: *value = major_capability; break;
        case 76: *value = 0; break;
        case 97: *value = 232448; break;
        case 115: *value = 1; break;
        default: return INVALID_VALUE;
    }
    return SUCCESS;
}
EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) { ENTER (void)device; *bytes = capacity; return SUCCESS; }
static Object* primary;
EXPORT int cuDevicePrimaryCtxRetain(void** context, int device) {
    ENTER (void)device;
    if (!retained++) primary = make(CONTEXT);
    *context = primary;
    return SUCCESS;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
    ENTER
    if (device < 70 || retained <= 0) { note(misuse, sizeof misuse, "context released too often; "); return INVALID_CONTEXT; }
    if (!--retained) {
        primary->kind = FREE;
        if (fake_alive("")) note(misuse, sizeof misuse, "context released before what lives in it; ");
    }
    return SUCCESS;
}
EXPORT int cuCtxPushCurrent_v2(void* context) { ENTER GET(c, context, CONTEXT) stack[depth++] = c; return SUCCESS; }
EXPORT int cuCtxPopCurrent_v2(void** context) { ENTER_CONTEXT *context = stack[--depth]; return SUCCESS; }

EXPORT int cuStreamCreate(void** stream, unsigned flags) { ENTER_CONTEXT (void)flags; *stream = make(STREAM); return SUCCESS; }
EXPORT int cuStreamDestroy_v2(void* stream) { ENTER_CONTEXT GET(s, stream, STREAM) run(s, s->count); free(s->work); s->kind = FREE; return SUCCESS; }
EXPORT int cuStreamSynchronize(void* stream) {
    ENTER_CONTEXT GET(s, stream, STREAM)
    if (s->capturing) return CAPTURE_UNSUPPORTED;
    run(s, s->count);
    return SUCCESS;
}
EXPORT int cuEventCreate(void** event, unsigned flags) { ENTER_CONTEXT (void)flags; *event = make(EVENT); return SUCCESS; }
EXPORT int cuEventDestroy_v2(void* event) {
    ENTER_CONTEXT GET(e, event, EVENT)
    // Work that still refers to it runs first; the driver keeps such an event itself.
    for (int i = 1; i < MAX; i++) if (objects[i].kind == STREAM && !objects[i].capturing) run(&objects[i], objects[i].count);
    e->kind = FREE;
    return SUCCESS;
}
EXPORT int cuEventRecord(void* event, void* stream) {
    ENTER_CONTEXT GET(e, event, EVENT) GET(s, stream, STREAM)
    e->stream = s;
    add(s, (Work){.type = RECORD, .object = e, .version = ++e->recorded});
    return SUCCESS;
}
EXPORT int cuStreamWaitEvent(void* stream, void* event, unsigned flags) {
    ENTER_CONTEXT GET(s, stream, STREAM) GET(e, event, EVENT) (void)flags;
    if (e->recorded) add(s, (Work){.type = WAIT, .object = e, .version = e->recorded});
    return SUCCESS;
}
EXPORT int cuEventSynchronize(void* event) { ENTER_CONTEXT GET(e, event, EVENT) reach(e, e->recorded); return SUCCESS; }
EXPORT int cuEventElapsedTime(float* milliseconds, void* start_, void* end) {
    ENTER_CONTEXT GET(a, start_, EVENT) GET(b, end, EVENT)
    if (!a->recorded || b->reached < b->recorded) return INVALID_HANDLE;
    *milliseconds = 2.5f;
    return SUCCESS;
}

EXPORT int cuMemPoolCreate(void** pool, const int* properties) {
    ENTER_CONTEXT
    if (properties[0] != 1 || properties[2] != 1 || properties[3] < 70) { note(misuse, sizeof misuse, "pool properties; "); return INVALID_VALUE; }
    for (int i = 6; i < 22; i++) if (properties[i]) { note(misuse, sizeof misuse, "pool properties reserved; "); return INVALID_VALUE; }
    *pool = make(POOL);
    return SUCCESS;
}
EXPORT int cuMemPoolDestroy(void* pool) { ENTER_CONTEXT GET(p, pool, POOL) p->kind = FREE; return SUCCESS; }
EXPORT int cuMemPoolTrimTo(void* pool, size_t keep) { ENTER_CONTEXT GET(p, pool, POOL) (void)keep; return SUCCESS; }
EXPORT int cuMemAllocFromPoolAsync(void** address, size_t bytes, void* pool, void* stream) {
    ENTER_CONTEXT GET(p, pool, POOL) GET(s, stream, STREAM)
    if (bytes > capacity || used > capacity - bytes) return OUT_OF_MEMORY;
    used += bytes;
    Object* o = make(MEMORY);
    o->bytes = bytes;
    if (posix_memalign(&o->block, 512, bytes)) abort();
    memset(o->block, 0xcd, bytes);
    *address = o->block;
    return SUCCESS;
}
EXPORT int cuMemFreeAsync(void* address, void* stream) {
    ENTER_CONTEXT GET(s, stream, STREAM)
    Object* o = memory_of(address, 0, __func__);
    if (!o || o->block != address || o->parent) { note(misuse, sizeof misuse, "memory freed twice; "); return INVALID_VALUE; }
    o->parent = 1;
    add(s, (Work){.type = RELEASE, .object = o});
    return SUCCESS;
}
EXPORT int cuMemHostAlloc(void** address, size_t bytes, unsigned flags) {
    ENTER_CONTEXT (void)flags;
    Object* o = make(HOST);
    o->bytes = bytes;
    o->block = malloc(bytes);
    *address = o->block;
    return SUCCESS;
}
EXPORT int cuMemFreeHost(void* address) {
    ENTER_CONTEXT
    Object* o = memory_of(address, 0, __func__);
    if (!o || o->block != address || o->kind != HOST) return INVALID_VALUE;
    free(o->block);
    o->kind = FREE;
    return SUCCESS;
}
static int copy(void* to, void* from, size_t bytes, void* stream, const char* call) {
    Object* s = get(stream, STREAM, call);
    if (!s) return INVALID_HANDLE;
    add(s, (Work){.type = COPY, .to = to, .from = from, .bytes = bytes});
    return SUCCESS;
}
EXPORT int cuMemcpyHtoDAsync_v2(void* to, void* from, size_t bytes, void* stream) { ENTER_CONTEXT return copy(to, from, bytes, stream, __func__); }
EXPORT int cuMemcpyDtoHAsync_v2(void* to, void* from, size_t bytes, void* stream) { ENTER_CONTEXT return copy(to, from, bytes, stream, __func__); }
EXPORT int cuMemsetD8Async(void* to, unsigned char value, size_t bytes, void* stream) {
    ENTER_CONTEXT GET(s, stream, STREAM)
    add(s, (Work){.type = FILL, .to = to, .value = value, .bytes = bytes});
    return SUCCESS;
}

EXPORT int cuModuleLoadDataEx(void** module, const char* image, unsigned count, int* options, void** values) {
    *module = NULL;
    __attribute__((cleanup(leave))) int locked_ = (pthread_mutex_lock(&lock), 1);
    int code = scripted(__func__);
    if (code) {
        for (unsigned i = 0; i < count; i++) if (options[i] == 5) strcpy(values[i], "ptxas error: line 7: planted");
        return code;
    }
    Object* o = make(MODULE);
    o->block = strdup(image);
    *module = o;
    return SUCCESS;
}
EXPORT int cuModuleUnload(void* module) { ENTER_CONTEXT GET(m, module, MODULE) free(m->block); m->kind = FREE; return SUCCESS; }
EXPORT int cuModuleGetFunction(void** function, void* module, const char* name) {
    ENTER_CONTEXT GET(m, module, MODULE)
    char entry[128];
    snprintf(entry, sizeof entry, ".entry %s(", name);
    if (!strstr(m->block, entry)) return NOT_FOUND;
    Object* f = make(FUNCTION);
    snprintf(f->name, sizeof f->name, "%s", name);
    *function = f;
    return SUCCESS;
}
EXPORT int cuFuncGetAttribute(int* value, int attribute, void* function) {
    ENTER_CONTEXT GET(f, function, FUNCTION)
    *value = 1024;
    return attribute == 1 ? SUCCESS : INVALID_VALUE;
}
EXPORT int cuFuncSetAttribute(void* function, int attribute, int value) {
    ENTER_CONTEXT GET(f, function, FUNCTION)
    if (attribute == 9) return value == 100 ? SUCCESS : INVALID_VALUE;
    f->parent = value;
    return attribute == 8 && value <= 232448 - 1024 ? SUCCESS : INVALID_VALUE;
}
EXPORT int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                          void* stream, void** arguments, void** extra) {
    ENTER_CONTEXT GET(f, function, FUNCTION) GET(s, stream, STREAM)
    if (extra || !gx || !gy || !gz || bx * by * bz > 1024 || !bx || !by || !bz || (int)shared > f->parent) return INVALID_VALUE;
    Work work = {.type = KERNEL};
    strcpy(work.name, f->name);
    memcpy(work.arguments, arguments[0], 64);
    add(s, work);
    return SUCCESS;
}

// The map becomes what was asked for, in 8-byte words: address, lengths, distances, box.
EXPORT int cuTensorMapEncodeTiled(uint64_t* map, int element, unsigned rank, void* address, const uint64_t* lengths, const uint64_t* distances,
                                  const unsigned* box, const unsigned* steps, int interleave, int swizzle, int promotion, int fill) {
    ENTER_CONTEXT
    if ((uintptr_t)map % 64 || element != 7 || rank != 3 || (uintptr_t)address % 16 || interleave || swizzle != 3 || promotion > 3 || fill) return INVALID_VALUE;
    for (unsigned i = 0; i < rank; i++) if (!lengths[i] || lengths[i] >> 32 || !box[i] || box[i] > 256 || steps[i] != 1) return INVALID_VALUE;
    for (unsigned i = 0; i + 1 < rank; i++) if (distances[i] % 16 || distances[i] >> 40) return INVALID_VALUE;
    memset(map, 0, 128);
    map[0] = (uintptr_t)address;
    for (unsigned i = 0; i < rank; i++) { map[1 + i] = lengths[i]; map[6 + i] = box[i]; }
    map[4] = distances[0];
    map[5] = distances[1];
    return SUCCESS;
}

EXPORT int cuStreamBeginCapture_v2(void* stream, int mode) {
    ENTER_CONTEXT GET(s, stream, STREAM)
    if (mode != 2 || s->capturing) return INVALID_VALUE;
    run(s, s->count);
    s->capturing = 1;
    return SUCCESS;
}
EXPORT int cuStreamEndCapture(void* stream, void** graph) {
    ENTER_CONTEXT GET(s, stream, STREAM)
    if (!s->capturing) return INVALID_VALUE;
    Object* g = make(GRAPH);
    for (int i = s->done; i < s->count; i++) add(g, s->work[i]);
    s->count = s->done;
    s->capturing = 0;
    *graph = g;
    return SUCCESS;
}
static void assign(Object* target, Object* graph) {
    target->count = 0;
    for (int i = 0; i < graph->count; i++) add(target, graph->work[i]);
}
EXPORT int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags) {
    ENTER_CONTEXT GET(g, graph, GRAPH) (void)flags;
    Object* x = make(EXECUTABLE);
    assign(x, g);
    *executable = x;
    return SUCCESS;
}
EXPORT int cuGraphExecUpdate_v2(void* executable, void* graph, void* result) {
    ENTER_CONTEXT GET(x, executable, EXECUTABLE) GET(g, graph, GRAPH)
    memset(result, 0, 24);
    if (x->count != g->count) return GRAPH_UPDATE_FAILURE;
    assign(x, g);
    return SUCCESS;
}
EXPORT int cuGraphLaunch(void* executable, void* stream) {
    ENTER_CONTEXT GET(x, executable, EXECUTABLE) GET(s, stream, STREAM)
    for (int i = 0; i < x->count; i++) add(s, x->work[i]);
    return SUCCESS;
}
EXPORT int cuGraphDestroy(void* graph) { ENTER_CONTEXT GET(g, graph, GRAPH) free(g->work); g->kind = FREE; return SUCCESS; }
EXPORT int cuGraphExecDestroy(void* executable) { ENTER_CONTEXT GET(x, executable, EXECUTABLE) free(x->work); x->kind = FREE; return SUCCESS; }
