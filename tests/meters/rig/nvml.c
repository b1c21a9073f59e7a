/* A stand-in for libnvidia-ml.so.1: the calls of NVML that meters make, over devices whose power is a known function
 * of time. The file that GREEN_RIG names is mapped at nvmlInit; its layout is that of `Control` in __init__.py, and
 * whoever writes it moves the clock, resets counters, takes devices away. Written from NVML's public interface.
 *
 * gcc -shared -fPIC -O1 -Wl,-soname,libnvidia-ml.so.1 -o libnvidia-ml.so.1 nvml.c -lm
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15
};
enum { MOST_DEVICES = 16, MOST_PROCESSES = 8, MOST_INSTANCES = 8, POWER_AVERAGE = 185, POWER_INSTANT = 186 };

typedef struct { unsigned pid, sm_percent; unsigned long long memory_b; } Process;

typedef struct { char uuid[80]; unsigned slices, gpu_instance, compute_instance, memory_mb; } Instance;

typedef struct {
    char name[96], uuid[80], bus_id[32];
    double low_w, high_w, period_s, high_s, phase_s; /* a square wave: high for high_s of each period_s */
    double step_s;                                   /* what is read is as of the last whole step */
    double average_s;                                /* of the averaged power */
    double reset_at_s, lost_at_s;                    /* negative: never */
    double limit_w;
    unsigned long long memory_b;
    int counter_error, usage_error, average_error, instant_error, process_error; /* codes of NVML, 0: none */
    int usage_is_average;                            /* nvmlDeviceGetPowerUsage as of Ampere but for GA100 */
    int mig_mode;                                    /* -1: not supported */
    int instances, processes;
    Instance instance[MOST_INSTANCES];
    Process process[MOST_PROCESSES];
} Device;

typedef struct {
    double now_s;      /* virtual; negative: the time since start_s, by the real clock */
    double start_s;
    int init_error, devices;
    unsigned long long calls;
    Device device[MOST_DEVICES];
} Control;

typedef struct { char busIdLegacy[16]; unsigned domain, bus, device, pciDeviceId, pciSubSystemId; char busId[32]; } Pci;
typedef struct { unsigned fieldId, scopeId; long long timestamp, latencyUsec; unsigned valueType; int nvmlReturn;
                 union { double d; unsigned ui; unsigned long long ull; } value; } Field;
typedef struct { unsigned pid; unsigned long long usedGpuMemory; unsigned gpuInstanceId, computeInstanceId; } ProcessInfo;
typedef struct { unsigned pid; unsigned long long timeStamp; unsigned smUtil, memUtil, encUtil, decUtil; } Sample;
typedef struct { unsigned multiprocessorCount, copy, decoder, encoder, jpeg, ofa, gpuInstanceSliceCount,
                 computeInstanceSliceCount; unsigned long long memorySizeMB; } Attributes;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned gpu, memory; } Utilization;

static Control *rig;

static double now_s(void)
{
    if (rig->now_s >= 0) return rig->now_s;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9 - rig->start_s;
}

/* Joules of the square wave from time 0 to t: what the truth is. */
static double joules(const Device *d, double t)
{
    double whole = floor((t + d->phase_s) / d->period_s), rest = (t + d->phase_s) - whole * d->period_s;
    double high = whole * d->high_s + fmin(rest, d->high_s);
    double whole0 = floor(d->phase_s / d->period_s), rest0 = d->phase_s - whole0 * d->period_s;
    high -= whole0 * d->high_s + fmin(rest0, d->high_s);
    return d->low_w * t + (d->high_w - d->low_w) * high;
}

static double stepped(const Device *d, double t)
{
    return d->step_s > 0 ? floor(t / d->step_s + 1e-9) * d->step_s : t;
}

static double instant_w(const Device *d)
{
    double t = stepped(d, now_s()) + d->phase_s;
    return t - floor(t / d->period_s) * d->period_s < d->high_s ? d->high_w : d->low_w;
}

static double average_w(const Device *d)
{
    double t = stepped(d, now_s());
    return (joules(d, t) - joules(d, t - d->average_s)) / d->average_s;
}

/* A handle is the address of a device, or of an instance of it; everything else is refused. */
static int find(void *handle, Device **d, Instance **i)
{
    *d = NULL; *i = NULL;
    if (rig == NULL) return UNINITIALIZED;
    rig->calls++;
    for (int n = 0; n < rig->devices; n++) {
        Device *one = &rig->device[n];
        for (int m = 0; m < one->instances; m++)
            if (handle == &one->instance[m]) { *d = one; *i = &one->instance[m]; }
        if (handle == one) *d = one;
    }
    if (*d == NULL) return INVALID_ARGUMENT;
    return (*d)->lost_at_s >= 0 && now_s() >= (*d)->lost_at_s ? GPU_IS_LOST : SUCCESS;
}

#define DEVICE(handle) Device *d; Instance *i; int r = find(handle, &d, &i); if (r != SUCCESS) return r
#define WHOLE(handle) DEVICE(handle); if (i != NULL) return NOT_SUPPORTED

int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    const char *name = getenv("GREEN_RIG");
    if (name == NULL) return DRIVER_NOT_LOADED;
    int file = open(name, O_RDWR);
    if (file < 0) return DRIVER_NOT_LOADED;
    void *at = mmap(NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at == MAP_FAILED) return DRIVER_NOT_LOADED;
    rig = at; /* an earlier map stays: handles of it may be held */
    return rig->init_error;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlInit(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { int was = rig != NULL; rig = NULL; return was ? SUCCESS : UNINITIALIZED; }
const char *nvmlErrorString(int code) { (void)code; return "error of the rig"; }

int nvmlSystemGetDriverVersion(char *text, unsigned length) { snprintf(text, length, "550.0"); return SUCCESS; }
int nvmlSystemGetNVMLVersion(char *text, unsigned length) { snprintf(text, length, "12.550.0"); return SUCCESS; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 12040; return SUCCESS; }

int nvmlDeviceGetCount_v2(unsigned *count)
{
    if (rig == NULL) return UNINITIALIZED;
    *count = (unsigned)rig->devices;
    return SUCCESS;
}
int nvmlDeviceGetCount(unsigned *count) { return nvmlDeviceGetCount_v2(count); }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle)
{
    if (rig == NULL) return UNINITIALIZED;
    if (index >= (unsigned)rig->devices) return INVALID_ARGUMENT;
    *handle = &rig->device[index];
    Device *d; Instance *i;
    return find(*handle, &d, &i);
}
int nvmlDeviceGetHandleByIndex(unsigned index, void **handle) { return nvmlDeviceGetHandleByIndex_v2(index, handle); }

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle)
{
    if (rig == NULL) return UNINITIALIZED;
    for (int n = 0; n < rig->devices; n++) {
        if (strcmp(rig->device[n].uuid, uuid) == 0) { *handle = &rig->device[n]; return SUCCESS; }
        for (int m = 0; m < rig->device[n].instances; m++)
            if (strcmp(rig->device[n].instance[m].uuid, uuid) == 0) {
                *handle = &rig->device[n].instance[m];
                return SUCCESS;
            }
    }
    return NOT_FOUND;
}

int nvmlDeviceGetIndex(void *handle, unsigned *index)
{
    WHOLE(handle);
    *index = (unsigned)(d - rig->device);
    return SUCCESS;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned length)
{
    DEVICE(handle);
    snprintf(text, length, "%s", i ? i->uuid : d->uuid);
    return SUCCESS;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned length)
{
    DEVICE(handle);
    if (i) snprintf(text, length, "%s MIG %ug", d->name, i->slices);
    else snprintf(text, length, "%s", d->name);
    return SUCCESS;
}
int nvmlDeviceGetPciInfo_v3(void *handle, Pci *pci)
{
    WHOLE(handle);
    memset(pci, 0, sizeof *pci);
    snprintf(pci->busId, sizeof pci->busId, "%s", d->bus_id);
    sscanf(d->bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    return SUCCESS;
}
int nvmlDeviceGetArchitecture(void *handle, unsigned *arch) { WHOLE(handle); *arch = 9; return SUCCESS; }
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor)
{
    WHOLE(handle);
    *major = 9; *minor = 0;
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *energy_mj)
{
    WHOLE(handle);
    if (d->counter_error) return d->counter_error;
    double t = stepped(d, now_s()), from = d->reset_at_s >= 0 && t >= d->reset_at_s ? d->reset_at_s : 0;
    double before = from > 0 ? 0 : 1e6; /* the driver was loaded before the rig began */
    *energy_mj = (unsigned long long)((before + joules(d, t) - joules(d, from)) * 1000.0);
    return SUCCESS;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *power_mw)
{
    WHOLE(handle);
    if (d->usage_error) return d->usage_error;
    *power_mw = (unsigned)((d->usage_is_average ? average_w(d) : instant_w(d)) * 1000.0);
    return SUCCESS;
}
int nvmlDeviceGetFieldValues(void *handle, int count, Field *fields)
{
    WHOLE(handle);
    for (int n = 0; n < count; n++) {
        Field *f = &fields[n];
        f->valueType = 1;
        f->nvmlReturn = NOT_SUPPORTED;
        if (f->fieldId == POWER_AVERAGE) {
            f->nvmlReturn = d->average_error;
            f->value.ui = (unsigned)(average_w(d) * 1000.0);
        } else if (f->fieldId == POWER_INSTANT) {
            f->nvmlReturn = d->instant_error;
            f->value.ui = (unsigned)(instant_w(d) * 1000.0);
        }
    }
    return SUCCESS;
}

static int limit(void *handle, unsigned *limit_mw)
{
    WHOLE(handle);
    if (d->limit_w <= 0) return NOT_SUPPORTED;
    *limit_mw = (unsigned)(d->limit_w * 1000.0);
    return SUCCESS;
}
int nvmlDeviceGetPowerManagementLimit(void *h, unsigned *limit_mw) { return limit(h, limit_mw); }
int nvmlDeviceGetPowerManagementDefaultLimit(void *h, unsigned *limit_mw) { return limit(h, limit_mw); }
int nvmlDeviceGetEnforcedPowerLimit(void *h, unsigned *limit_mw) { return limit(h, limit_mw); }
int nvmlDeviceGetPowerManagementLimitConstraints(void *h, unsigned *least_mw, unsigned *most_mw)
{
    *least_mw = 100000;
    return limit(h, most_mw);
}
int nvmlDeviceGetPersistenceMode(void *handle, unsigned *mode) { WHOLE(handle); *mode = 1; return SUCCESS; }
int nvmlDeviceGetComputeMode(void *handle, unsigned *mode) { WHOLE(handle); *mode = 0; return SUCCESS; }
int nvmlDeviceGetTemperature(void *handle, unsigned sensor, unsigned *c) { WHOLE(handle); (void)sensor; *c = 50; return SUCCESS; }

int nvmlDeviceGetUtilizationRates(void *handle, Utilization *u)
{
    WHOLE(handle);
    u->gpu = instant_w(d) > d->low_w ? 100 : 0;
    u->memory = u->gpu / 2;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory)
{
    DEVICE(handle);
    memory->total = i ? (unsigned long long)i->memory_mb << 20 : d->memory_b;
    memory->used = memory->total / 2;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo_v2(void *handle, Memory2 *memory)
{
    Memory one;
    int r = nvmlDeviceGetMemoryInfo(handle, &one);
    if (r == SUCCESS) { memory->total = one.total; memory->reserved = 0; memory->free = one.free; memory->used = one.used; }
    return r;
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending)
{
    WHOLE(handle);
    if (d->mig_mode < 0) return NOT_SUPPORTED;
    *current = *pending = (unsigned)d->mig_mode;
    return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { WHOLE(handle); *count = 7; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **instance)
{
    WHOLE(handle);
    if (index >= (unsigned)d->instances) return NOT_FOUND;
    *instance = &d->instance[index];
    return SUCCESS;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *handle, void **parent)
{
    DEVICE(handle);
    if (i == NULL) return INVALID_ARGUMENT;
    *parent = d;
    return SUCCESS;
}
int nvmlDeviceIsMigDeviceHandle(void *handle, unsigned *is) { DEVICE(handle); *is = i != NULL; return SUCCESS; }
int nvmlDeviceGetGpuInstanceId(void *handle, unsigned *id)
{
    DEVICE(handle);
    if (i == NULL) return NOT_SUPPORTED;
    *id = i->gpu_instance;
    return SUCCESS;
}
int nvmlDeviceGetComputeInstanceId(void *handle, unsigned *id)
{
    DEVICE(handle);
    if (i == NULL) return NOT_SUPPORTED;
    *id = i->compute_instance;
    return SUCCESS;
}
int nvmlDeviceGetAttributes_v2(void *handle, Attributes *a)
{
    DEVICE(handle);
    if (i == NULL) return NOT_SUPPORTED;
    memset(a, 0, sizeof *a);
    a->gpuInstanceSliceCount = a->computeInstanceSliceCount = i->slices;
    a->multiprocessorCount = 16 * i->slices;
    a->memorySizeMB = i->memory_mb;
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, ProcessInfo *found)
{
    WHOLE(handle);
    if (d->process_error) return d->process_error;
    unsigned room = *count;
    *count = (unsigned)d->processes;
    if (d->processes == 0) return SUCCESS;
    if (found == NULL || room < (unsigned)d->processes) return INSUFFICIENT_SIZE;
    for (int n = 0; n < d->processes; n++)
        found[n] = (ProcessInfo){ d->process[n].pid, d->process[n].memory_b, 0xffffffffu, 0xffffffffu };
    return SUCCESS;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, ProcessInfo *found)
{
    (void)found;
    WHOLE(handle);
    *count = 0;
    return SUCCESS;
}
int nvmlDeviceGetProcessUtilization(void *handle, Sample *samples, unsigned *count, unsigned long long since_us)
{
    WHOLE(handle);
    if (d->process_error) return d->process_error;
    unsigned long long at_us = (unsigned long long)(now_s() * 1e6);
    if (d->processes == 0 || at_us < since_us) { *count = 0; return NOT_FOUND; }
    if (samples == NULL || *count < (unsigned)d->processes) { *count = (unsigned)d->processes; return INSUFFICIENT_SIZE; }
    *count = (unsigned)d->processes;
    for (int n = 0; n < d->processes; n++)
        samples[n] = (Sample){ d->process[n].pid, at_us, d->process[n].sm_percent, 0, 0, 0 };
    return SUCCESS;
}
