using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>op(A)·op(B)</c> of m×k by k×n, <see cref="Stack"/> times.</summary>
internal readonly record struct GemmShape(
    int M, int N, int K, Transpose TransposeA = Transpose.No, Transpose TransposeB = Transpose.No, int Stack = 1)
{
    /// <summary>What the layers of the workloads multiply; a linear layer's forward pass is NT, its input gradient NN, its
    /// weight gradient TN.</summary>
    public static IReadOnlyList<GemmShape> Defaults { get; } =
    [
        new(1024, 1024, 1024),
        .. Perceptron(100), .. Perceptron(512),
        .. VisionTransformer(4160), .. CharacterModel(768), .. WideResNet(),
    ];

    /// <summary>Whether each stack of matrices has fewer than 2³¹ elements.</summary>
    public bool Fits => Int128.Max(Int128.Max((Int128)M * K, (Int128)K * N), (Int128)M * N) * Stack <= int.MaxValue;

    /// <summary>As on the command line, then N or T for each operand: <c>100,10,1000 NT</c>.</summary>
    public override string ToString()
    {
        string operands = $"{(TransposeA == Transpose.Yes ? 'T' : 'N')}{(TransposeB == Transpose.Yes ? 'T' : 'N')}";
        return Stack == 1 ? $"{M},{N},{K} {operands}" : $"{M},{N},{K} {operands} x{Stack}";
    }

    /// <summary>784-1000-1000-1000-10.</summary>
    private static IEnumerable<GemmShape> Perceptron(int rows) =>
        [.. Layer(rows, 784, 1000), .. Layer(rows, 1000, 1000), .. Layer(rows, 1000, 10)];

    /// <summary>Width 192, six heads of 32, 64 images of 8×8 patches of 48 values and a class token.</summary>
    private static IEnumerable<GemmShape> VisionTransformer(int rows) =>
    [
        .. Layer(rows, 48, 192), .. Layer(rows, 192, 576), .. Layer(rows, 192, 192), .. Layer(rows, 192, 768), .. Layer(rows, 768, 192),
        .. Attention(65, 32, 384), .. Layer(64, 192, 10),
    ];

    /// <summary>Width 128, four heads of 32, twelve contexts of 64 characters out of 65.</summary>
    private static IEnumerable<GemmShape> CharacterModel(int rows) =>
        [.. Layer(rows, 128, 384), .. Layer(rows, 128, 128), .. Layer(rows, 128, 512), .. Layer(rows, 128, 65), .. Attention(64, 32, 48)];

    /// <summary>Preconditioning <c>B⁻¹ ∇W A⁻¹</c> of a Wide ResNet's convolutions.</summary>
    private static IEnumerable<GemmShape> WideResNet() =>
        [new(16, 27, 27), new(64, 144, 64), new(64, 576, 576), new(64, 576, 64), new(128, 1152, 128), new(256, 2304, 256), new(256, 2304, 2304)];

    private static IEnumerable<GemmShape> Layer(int rows, int inputs, int outputs) =>
    [
        new(rows, outputs, inputs, TransposeB: Transpose.Yes),
        new(rows, inputs, outputs),
        new(outputs, inputs, rows, TransposeA: Transpose.Yes),
    ];

    /// <summary>Scores, weighted values, and the gradient with respect to the values, of every head.</summary>
    private static IEnumerable<GemmShape> Attention(int length, int width, int heads) =>
    [
        new(length, length, width, TransposeB: Transpose.Yes, Stack: heads),
        new(length, width, length, Stack: heads),
        new(length, width, length, TransposeA: Transpose.Yes, Stack: heads),
    ];
}
