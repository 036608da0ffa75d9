"""The peer of `kfac bench --against`: does the same work in PyTorch, one timed round at a time.

Reads one JSON object a line on standard input and answers each with one line on standard output:
    {"threads": N}               -> {"name": TEXT, "warnings": [TEXT], "lacks": [FORM]}   once, first; on a GPU with
                                    "device": "cuda:N" and "tf32": whether its matrix products may take TF32
    {"case": NAME, SIZES...}     -> {"ready": true}                      prepares a case, and runs it once
    {"seconds": S}               -> {"medianSeconds": T}                 runs it for at least S seconds
    {"error": true}              -> {"error": E}                         its distance from float64, where it has `check`
On a GPU a run is timed by events of its stream.
"""
import ctypes
import itertools
import json
import os
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def loaded_libraries(name):
    with open("/proc/self/maps") as maps:
        return sorted({line.split()[-1] for line in maps if name in line})


def find_ssyrk():
    """cblas_ssyrk of the BLAS that PyTorch itself has loaded, or None."""
    for path in loaded_libraries("blas"):
        try:
            return ctypes.CDLL(path).cblas_ssyrk
        except (OSError, AttributeError):
            pass
    return None


def describe():
    libraries = loaded_libraries("openblas")
    warnings = []
    if libraries and "OPENBLAS_CORETYPE" not in os.environ:
        warnings.append("OPENBLAS_CORETYPE is not set; OpenBLAS may take generic kernels (SkylakeX where there is AVX-512)")
    if any("pthread" in library for library in libraries):
        warnings.append("OpenBLAS has threads of its own beside PyTorch's; put its OpenMP build first in LD_LIBRARY_PATH")
    lacks = [] if find_ssyrk() else ["ssyrk"]
    return {"name": "PyTorch " + torch.__version__, "warnings": warnings, "lacks": lacks}


def choose_gpu(request):
    torch.set_default_device(request["device"])
    torch.backends.cuda.matmul.allow_tf32 = request["tf32"]
    torch.backends.cudnn.allow_tf32 = request["tf32"]
    name = torch.cuda.get_device_name(request["device"])
    mode = "TF32 allowed" if request["tf32"] else "float32"
    return {"name": f"PyTorch {torch.__version__} on {name}, {mode}", "warnings": [], "lacks": ["ssyrk"]}


def ssyrk_into(c):
    """The lower triangle of alpha * A^T A into c, by BLAS."""
    row_major, lower, transposed = 101, 122, 112
    function, size = find_ssyrk(), ctypes.c_int(len(c))
    function.restype = None

    def run(a, alpha):
        function(row_major, lower, transposed, size, ctypes.c_int(len(a)), ctypes.c_float(alpha),
                 ctypes.c_void_p(a.data_ptr()), size, ctypes.c_float(0), ctypes.c_void_p(c.data_ptr()), size)

    return run


def distance_from_float64(result, a, b, scale):
    """Root mean square over 16 by 16 elements of |result - scale ab| / (scale |a||b|), in units of 2^-24."""
    rows, columns = ([i * (n - 1) // 15 for i in range(16)] for n in result.shape)
    a, b = a[rows].double(), b[:, columns].double()
    errors = (result[rows][:, columns].double() - scale * (a @ b)) / (scale * (a.abs() @ b.abs())).clamp_min(5e-324)
    return errors.square().mean().sqrt().item() * 2 ** 24


def factor(case):
    m, r, p = case["examples"], case["sharing"], case["width"]
    inputs = [torch.randn(m, r, p) for _ in range(case["copies"])]
    copies = itertools.cycle(inputs)

    def expand():
        a = next(copies).view(m * r, p)
        return (a.T @ a).mul_(1 / (m * r))

    def reduce():
        a = next(copies).mean(1)
        return (a.T @ a).mul_(1 / m)

    if case["form"] == "ssyrk":
        ssyrk = ssyrk_into(torch.empty(p, p))
        return lambda: ssyrk(next(copies).view(m * r, p), 1 / (m * r))

    def check():
        a = inputs[0].view(m * r, p)
        return (a.T @ a).mul_(1 / (m * r)), a.T, a, 1 / (m * r)

    expand.check = check
    return expand if case["approximation"] == "expand" else reduce


def ragged(case):
    sizes, p = torch.tensor(case["sizes"]), case["width"]
    copies = itertools.cycle([torch.randn(int(sizes.sum()), p) for _ in range(case["copies"])])
    index = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    scale = sizes.clamp_min(1).rsqrt().unsqueeze(1)

    def reduce():
        a = torch.zeros(len(sizes), p).index_add_(0, index, next(copies)).mul_(scale)
        return (a.T @ a).mul_(1 / len(sizes))

    return reduce


def coverage(size, kernel, stride, padding):
    """[kernel, size]: the share of output positions at which an element of the kernel meets a row."""
    outputs = (size + 2 * padding - kernel) // stride + 1
    cover = torch.zeros(kernel, size)
    for k in range(kernel):
        for i in range(k - padding, k - padding + outputs * stride, stride):
            if 0 <= i < size:
                cover[k, i] += 1 / outputs
    return cover


def convolution(case):
    m, c, k, s, p = case["images"], case["channels"], case["kernel"], case["stride"], case["padding"]
    images = [torch.randn(m, c, case["height"], case["width"]) for _ in range(case["copies"])]
    width, r = F.unfold(images[0][:1], k, padding=p, stride=s).shape[1:]
    copies = itertools.cycle([(x, torch.randn(m, c, r)) for x in images])
    rows, columns = coverage(case["height"], k, s, p), coverage(case["width"], k, s, p)

    def unfold_expand():
        x, g = next(copies)
        a = F.unfold(x, k, padding=p, stride=s).transpose(1, 2).reshape(m * r, width)
        b = g.transpose(1, 2).reshape(m * r, c)
        return (a.T @ a).mul_(1 / (m * r)), b.T @ b

    def sample_expand():
        x, g = next(copies)
        a, b = torch.zeros(width, width), torch.zeros(c, c)
        for image, gradient in zip(x, g):
            u = F.unfold(image.unsqueeze(0), k, padding=p, stride=s)[0]
            a.addmm_(u, u.T)
            b.addmm_(gradient, gradient.T)
        return a.mul_(1 / (m * r)), b

    def unfold_reduce():
        x, g = next(copies)
        a, b = F.unfold(x, k, padding=p, stride=s).mean(2), g.sum(2)
        return (a.T @ a).mul_(1 / m), b.T @ b

    def box_reduce():
        x, g = next(copies)
        sums = torch.einsum("mckw,lw->mckl", torch.einsum("mchw,kh->mckw", x, rows), columns)
        a, b = sums.reshape(m, width), g.sum(2)
        return (a.T @ a).mul_(1 / m), b.T @ b

    forms = {"unfold expand": unfold_expand, "sample expand": sample_expand,
             "unfold reduce": unfold_reduce, "box reduce": box_reduce}
    return forms[case["form"] + " " + case["approximation"]]


def convolution_pass(case):
    c, k = case["channels"], case["kernel"]
    stride, padding = [case["stride"]] * 2, [case["padding"]] * 2
    order = torch.channels_last if case["channelsLast"] else torch.contiguous_format
    x = torch.randn(case["images"], c, case["height"], case["width"]).contiguous(memory_format=order)
    w = torch.randn(case["outputs"], c, k, k).contiguous(memory_format=order)
    y = F.conv2d(x, w, None, stride, padding)
    if case["pass"] == "forward":
        return lambda: F.conv2d(x, w, None, stride, padding)
    wanted = [case["pass"] == "input-gradient", case["pass"] == "weight-gradient", False]
    return lambda: torch.ops.aten.convolution_backward(
        y, x, w, None, stride, padding, [1, 1], False, [0, 0], 1, wanted)


def gemm(case):
    m, n, k, stack = case["m"], case["n"], case["k"], case["stack"]
    a = torch.randn(stack, k, m).transpose(1, 2) if case["transposeA"] else torch.randn(stack, m, k)
    b = torch.randn(stack, n, k).transpose(1, 2) if case["transposeB"] else torch.randn(stack, k, n)
    c = torch.empty(stack, m, n)

    def run():
        return torch.bmm(a, b, out=c) if stack > 1 else torch.mm(a[0], b[0], out=c[0])

    run.check = lambda: (run().view(stack, m, n)[0], a[0], b[0], 1)
    return run


def elementwise(case):
    rows, columns = case["rows"], case["columns"]
    x, y, z, u = (torch.rand(rows, columns) for _ in range(4))
    row, column, labels = torch.rand(columns), torch.rand(rows), torch.zeros(rows, dtype=torch.long)
    bias, statistics = torch.rand(columns), [torch.ones(rows, 1), torch.ones(rows, 1)]
    aten = torch.ops.aten
    height, width, order = case["height"], case["width"], torch.randperm(rows)

    def images(operand, h, w):
        return operand[:rows // (height * width) * h * w].view(-1, h, w, columns).permute(0, 3, 1, 2)

    def norm_backward(*wanted):
        return aten.native_batch_norm_backward(z, x, row, None, None, saved[0], saved[1], True, 1e-5, wanted)

    window = [min(2, height), min(2, width)]
    pixels = images(x, height, width)
    pooled, places = aten.max_pool2d_with_indices(pixels, window, [2, 2])
    saved = [x.mean(0), x.var(0).rsqrt()]

    def optimizer(kind, **settings):
        weight = torch.nn.Parameter(x.view(-1))
        weight.grad = y.view(-1)
        return kind([weight], **settings).step

    forms = {
        "fill": lambda: y.fill_(1),
        "copy": lambda: y.copy_(x),
        "axpby": lambda: y.lerp_(x, 0.5),
        "add row": lambda: y.add_(row),
        "kronecker divide": lambda: torch.div(x, torch.outer(column, row).add_(1e-3), out=y),
        "relu": lambda: torch.clamp_min(x, 0, out=y),
        "relu backward": lambda: aten.threshold_backward.grad_input(z, x, 0, grad_input=u),
        "tanh": lambda: torch.tanh(x, out=y),
        "tanh backward": lambda: aten.tanh_backward.grad_input(z, y, grad_input=u),
        "sigmoid": lambda: torch.sigmoid(x, out=y),
        "sigmoid backward": lambda: aten.sigmoid_backward.grad_input(z, y, grad_input=u),
        "gelu": lambda: aten.gelu.out(x, out=y),
        "gelu backward": lambda: aten.gelu_backward.grad_input(z, x, grad_input=u),
        "softmax loss": lambda: F.cross_entropy(x, labels, reduction="none"),
        "softmax gradient": lambda: torch.sub(x, 0, out=y).view(-1)[::columns].sub_(1),
        "softmax root": lambda: torch.mul(x, -x[:, :1].sqrt(), out=y),
        "bernoulli loss": lambda: F.binary_cross_entropy_with_logits(x, z, reduction="none").sum(1),
        "bernoulli gradient": lambda: torch.sub(x, z, out=y),
        "bernoulli sample": lambda: torch.bernoulli(x, out=y),
        "layer norm": lambda: aten.native_layer_norm.out(x, [columns], row, bias, 1e-5, out0=y, out1=statistics[0], out2=statistics[1]),
        "layer norm backward": lambda: aten.native_layer_norm_backward(z, x, [columns], *statistics, row, bias, [True, False, False]),
        "layer norm gradients": lambda: aten.native_layer_norm_backward(z, x, [columns], *statistics, row, bias, [False, True, True]),
        "batch norm": lambda: aten.native_batch_norm(x, row, bias, None, None, True, 0.1, 1e-5),
        "batch norm backward": lambda: norm_backward(True, False, False),
        "batch norm gradients": lambda: norm_backward(False, True, True),
        "max pool": lambda: aten.max_pool2d_with_indices(pixels, window, [2, 2]),
        "max pool backward": lambda: aten.max_pool2d_with_indices_backward(pooled, pixels, window, [2, 2], [0, 0], [1, 1], False, places),
        "average pool": lambda: F.avg_pool2d(pixels, window, 2),
        "average pool backward": lambda: aten.avg_pool2d_backward(pooled, pixels, window, [2, 2], [0, 0], False, True, None),
        "global pool": lambda: x.view(-1, height * width, columns).mean(1),
        "global pool backward": lambda: y.view(-1, height * width, columns).copy_(z[:rows // (height * width)].unsqueeze(1)),
        "embedding": lambda: torch.index_select(x, 0, order, out=y),
        "embedding backward": lambda: aten.embedding_dense_backward(x, order, rows, -1, False),
        "residual add": lambda: torch.add(x, y, out=y),
        "dropout": lambda: F.dropout(x, 0.1),
        "sum": lambda: x.sum(),
        "dot": lambda: torch.dot(x.view(-1), y.view(-1)),
        "column sum": lambda: x.sum(0),
        "row dot": lambda: torch.bmm(x.unsqueeze(1), y.unsqueeze(2)),
        "first non-finite": lambda: torch.isfinite(x).all(),
        "count correct": lambda: (x.argmax(1) == labels).sum(),
        "momentum": optimizer(torch.optim.SGD, lr=1e-6, momentum=0.9, weight_decay=1e-4),
        "adam": optimizer(torch.optim.AdamW, lr=1e-6, weight_decay=0.01),
        "uniform": lambda: y.uniform_(),
        "normal": lambda: y.normal_(),
    }
    return forms[case["operation"]]


def damped_inverse(matrix, damping):
    damped = matrix.clone()
    damped.diagonal().add_(damping)
    return torch.cholesky_inverse(torch.linalg.cholesky(damped))


def covariance(n):
    rows = torch.randn(2 * n, n)
    return rows.T @ rows / (2 * n)


def precondition(case):
    n, rows, factor = case["size"], case["rows"], covariance(case["size"])
    w, g, x = torch.randn(n, n), torch.randn(rows, n), torch.randn(rows, n)
    inverse = damped_inverse(factor, 1e-3)
    if not case["eigenbases"]:
        return (lambda: (g @ inverse).T @ (x @ inverse)) if rows else (lambda: inverse @ w @ inverse)
    values, q = torch.linalg.eigh(factor)
    divisor = torch.outer(values, values).add_(1e-3)
    there = (lambda: (g @ q).T @ (x @ q)) if rows else (lambda: q.T @ w @ q)
    return lambda: q @ there().div_(divisor) @ q.T


def dual(case):
    n, rows, damping = case["size"], case["rows"], 1e-2
    x, v = torch.randn(rows, n), torch.randn(rows, n)

    def primal():
        return v @ damped_inverse((x.T @ x).mul_(1 / rows), damping)

    def woodbury():
        small = damped_inverse((x @ x.T).mul_(1 / rows), damping)
        return torch.addmm(v, v @ x.T @ small, x, beta=1 / damping, alpha=-1 / (rows * damping))

    return woodbury if case["dual"] else primal


class Step:
    """SGD with momentum, or K-FAC with one Monte-Carlo sample, on a perceptron or an autoencoder."""

    def __init__(self, case):
        widths = case["widths"]
        self.batch, self.interval, self.classes = case["batch"], case["interval"], case["classes"]
        self.bias, self.linear, self.tanh = case["bias"], case["linearLayers"], case["activation"] == "tanh"
        self.x = torch.rand(self.batch, widths[0])
        self.y = torch.zeros(self.batch, dtype=torch.long) if self.classes else self.x
        self.weights = [(torch.randn(o, i + self.bias) / i ** 0.5).requires_grad_() for i, o in zip(widths, widths[1:])]
        self.optimizer = torch.optim.SGD(self.weights, lr=1e-6, momentum=0.9)
        self.factors = [None] * len(self.weights)
        self.inverses = [None] * len(self.weights)
        self.steps = 0

    def forward(self):
        h, inputs, outputs = self.x, [], []
        for layer, weight in enumerate(self.weights):
            inputs.append(h)
            h = F.linear(h, weight[:, :-1], weight[:, -1]) if self.bias else F.linear(h, weight)
            outputs.append(h)
            if layer not in self.linear:
                h = torch.tanh(h) if self.tanh else torch.relu(h)
        return h, inputs, outputs

    def loss(self, outputs, targets):
        if self.classes:
            return F.cross_entropy(outputs, targets)
        return F.binary_cross_entropy_with_logits(outputs, targets, reduction="sum") / self.batch

    def sample(self, outputs):
        if self.classes:
            return torch.multinomial(torch.softmax(outputs, 1), 1).view(-1)
        return torch.bernoulli(torch.sigmoid(outputs))

    @torch.no_grad()
    def update_factors(self, inputs, gradients):
        for layer, (a, g) in enumerate(zip(inputs, gradients)):
            if self.bias:
                a = torch.cat([a, a.new_ones(len(a), 1)], 1)
            new = (a.T @ a).div_(self.batch), (g.T @ g).mul_(self.batch)
            old = self.factors[layer]
            self.factors[layer] = new if old is None else tuple(o.lerp_(n, 0.05) for o, n in zip(old, new))

    @torch.no_grad()
    def update_inverses(self):
        for layer, (a, b) in enumerate(self.factors):
            # A layer whose units are all silent has a factor of zeros.
            pi = ((a.trace() / len(a)).clamp_min(1e-12) / (b.trace() / len(b)).clamp_min(1e-12)).sqrt()
            self.inverses[layer] = damped_inverse(a, pi * 0.1), damped_inverse(b, 0.1 / pi)

    def sgd(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.forward()[0], self.y).backward()
        self.optimizer.step()

    def kfac(self):
        self.optimizer.zero_grad(set_to_none=True)
        y, inputs, outputs = self.forward()
        due = self.steps % self.interval == 0
        self.loss(y, self.y).backward(retain_graph=due)
        if due:
            sampled = self.loss(y, self.sample(y.detach()))
            self.update_factors([a.detach() for a in inputs], torch.autograd.grad(sampled, outputs))
            self.update_inverses()
        with torch.no_grad():
            for weight, (a, b) in zip(self.weights, self.inverses):
                weight.grad = b @ weight.grad @ a
        self.optimizer.step()
        self.steps += 1


class TransformerBlock(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.projection = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x):
        m, t, d = x.shape
        q, k, v = self.qkv(x).view(m, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5
        if self.causal:
            scores = scores.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), float("-inf"))
        return self.output((torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(m, t, d))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.projection(F.gelu(self.hidden(self.norm2(x))))


class Transformer(nn.Module):
    """A vision transformer with mean pooling, or a generative one with tied weights; its step is SGD with momentum."""

    def __init__(self, case):
        super().__init__()
        width, batch, outputs = case["width"], case["batch"], case["outputs"]
        self.vision = case["transformer"] == "vision"
        if self.vision:
            self.patch = case["patch"]
            self.grid = case["height"] // self.patch, case["imageWidth"] // self.patch
            length = self.grid[0] * self.grid[1]
            self.embed = nn.Linear(case["channels"] * self.patch ** 2, width)
            self.head = nn.Linear(width, outputs)
            self.x = torch.rand(batch, case["channels"], case["height"], case["imageWidth"])
            self.y = torch.randint(outputs, (batch,))
        else:
            length = case["length"]
            self.embed = nn.Embedding(outputs, width)
            self.x, self.y = torch.randint(outputs, (batch, length)), torch.randint(outputs, (batch * length,))
        self.positions = nn.Parameter(torch.randn(length, width) * 0.02)
        self.blocks = nn.Sequential(*(TransformerBlock(width, case["heads"], not self.vision) for _ in range(case["depth"])))
        self.norm = nn.LayerNorm(width)
        self.optimizer = torch.optim.SGD(self.parameters(), lr=1e-6, momentum=0.9)

    def forward(self, x):
        if self.vision:
            (m, c, _, _), (down, across), p = x.shape, self.grid, self.patch
            x = x.view(m, c, down, p, across, p).permute(0, 2, 4, 1, 3, 5).reshape(m, down * across, c * p * p)
        x = self.norm(self.blocks(self.embed(x) + self.positions))
        return self.head(x.mean(1)) if self.vision else F.linear(x, self.embed.weight).flatten(0, 1)

    def sgd(self):
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self(self.x), self.y).backward()
        self.optimizer.step()


class WideBlock(nn.Module):
    """Two 3x3 convolutions after activations, with Fixup's scalars."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bias1a, self.bias1b, self.bias2a, self.bias2b = (nn.Parameter(torch.zeros(1)) for _ in range(4))
        self.scale, self.bias3 = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = None if inputs == outputs and stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        y = F.relu(x + self.bias1a) + self.bias1b
        z = F.relu(self.conv1(y) + self.bias2a) + self.bias2b
        return (x if self.shortcut is None else self.shortcut(y)) + self.conv2(z) * self.scale + self.bias3


class WideResNet(nn.Module):
    """A wide residual network with Fixup, channels last, which is PyTorch's faster layout; its step is SGD with momentum."""

    def __init__(self, case):
        super().__init__()
        channels, modules = 16, [nn.Conv2d(case["channels"], 16, 3, 1, 1, bias=False)]
        for outputs, stride in ((16, 1), (32, 2), (64, 2)):
            for block in range(case["blocks"]):
                modules.append(WideBlock(channels, outputs * case["widening"], stride if block == 0 else 1))
                channels = outputs * case["widening"]
        self.features, self.head = nn.Sequential(*modules), nn.Linear(channels, case["outputs"])
        self.to(memory_format=torch.channels_last)
        size = (case["batch"], case["channels"], case["height"], case["imageWidth"])
        self.x = torch.rand(size).contiguous(memory_format=torch.channels_last)
        self.y = torch.randint(case["outputs"], (case["batch"],))
        self.optimizer = torch.optim.SGD(self.parameters(), lr=1e-6, momentum=0.9)

    def sgd(self):
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.head(F.relu(self.features(self.x)).mean((2, 3))), self.y).backward()
        self.optimizer.step()


def step(case):
    if "widening" in case:
        return WideResNet(case).sgd
    if "transformer" in case:
        return Transformer(case).sgd
    state = Step(case)
    if case["interval"] == 0:
        return state.sgd

    def run():
        for _ in range(state.interval):
            state.kfac()

    return run


def prepare(case):
    name = case["case"]
    if name == "factor":
        return factor(case)
    if name == "ragged":
        return ragged(case)
    if name == "elementwise":
        return elementwise(case)
    if name == "convolution":
        return convolution(case)
    if name == "convolution pass":
        return convolution_pass(case)
    if name == "gemm":
        return gemm(case)
    if name == "step":
        return step(case)
    if name == "precondition":
        return precondition(case)
    if name == "dual":
        return dual(case)
    if "sizes" in case:
        matrices = [covariance(n) for n in case["sizes"]]
        one = (lambda matrix: damped_inverse(matrix, 1e-3)) if name == "cholesky" else torch.linalg.eigh
        return lambda: [one(matrix) for matrix in matrices]
    matrix = covariance(case["size"])
    return (lambda: damped_inverse(matrix, 1e-3)) if name == "cholesky" else (lambda: torch.linalg.eigh(matrix))


def time_on_processor(run):
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


def time_on_gpu(run):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e-3


def measure(run, seconds, time_of):
    times, start = [], time.perf_counter()
    while True:
        times.append(time_of(run))
        if time.perf_counter() - start >= seconds:
            return statistics.median(times)


def main():
    run, time_of = None, time_on_processor
    for line in sys.stdin:
        request = json.loads(line)
        if "threads" in request:
            torch.set_num_threads(request["threads"])
            answer = describe()
            if "device" in request:
                answer, time_of = choose_gpu(request), time_on_gpu
        elif "case" in request:
            run = prepare(request)
            run()
            answer = {"ready": True}
        elif "error" in request:
            answer = {"error": distance_from_float64(*run.check())}
        else:
            answer = {"medianSeconds": measure(run, request["seconds"], time_of)}
        print(json.dumps(answer), flush=True)


main()
