using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>What a backward pass shall compute.</summary>
/// <param name="WeightGradients">True in training; false in curvature passes, which compute output gradients only.</param>
/// <param name="Sink">Takes the output gradients of layers as soon as they are known; null for nobody.</param>
/// <param name="Scale">What seeds must be multiplied by to belong to the loss summed over its terms; handed on to the sink.</param>
public readonly record struct BackwardOptions(bool WeightGradients, ICaptureSink? Sink, float Scale);

/// <summary>One backward pass under way: where operations find and leave gradients.</summary>
/// <remarks>Gradients live in the tape's pass memory and vanish when the pass ends.</remarks>
public sealed class BackwardPass
{
    private readonly Tape _tape;

    internal BackwardPass(Tape tape) => _tape = tape;

    /// <summary>Where operations run.</summary>
    public DeviceStream Stream => _tape.Stream;

    /// <summary>S: gradients are [S·rows, columns].</summary>
    public int Seeds { get; private set; }

    /// <summary>What to compute.</summary>
    public BackwardOptions Options { get; private set; }

    /// <summary>Counts passes, so that a parameter knows the first contribution of a pass.</summary>
    internal long Number { get; private set; }

    /// <summary>Undefined memory that lasts until the pass ends.</summary>
    public MatrixView<float> Scratch(int rows, int columns) => _tape.PassMemory.Matrix<float>(rows, columns);

    /// <summary>Where to add the gradient of an input: write with this <paramref name="beta"/> (0 for the first contribution, else 1).</summary>
    /// <param name="input">A variable with <see cref="Variable.NeedsGradient"/>.</param>
    /// <returns>[S·rows, columns].</returns>
    public MatrixView<float> Destination(Variable input, out float beta)
    {
        ref Tape.Entry entry = ref _tape.EntryOf(input);
        beta = entry.HasGradient ? 1f : 0f;
        if (!entry.HasGradient)
        {
            entry.Gradient = Scratch(Seeds * entry.Value.Rows, entry.Value.Columns);
            entry.HasGradient = true;
        }

        return entry.Gradient;
    }

    /// <summary>Adds a contribution to the gradient of an input and gives its memory away: the caller must not use it afterwards.</summary>
    public void Contribute(Variable input, MatrixView<float> contribution)
    {
        ref Tape.Entry entry = ref _tape.EntryOf(input);
        if (entry.HasGradient)
        {
            Elementwise.Axpby(Stream, 1f, contribution, 1f, entry.Gradient);
            return;
        }

        entry.Gradient = contribution;
        entry.HasGradient = true;
    }

    /// <summary>Delivers the output gradient of a layer with Kronecker factors.</summary>
    public void Deliver(int layer, Variable output, MatrixView<float> gradient) =>
        Options.Sink?.OutputGradients(layer, output.ToLayerRows(gradient, Seeds, Options.Scale));

    internal void Begin(int seeds, in BackwardOptions options)
    {
        Seeds = seeds;
        Options = options;
        Number++;
    }

    internal void End() => Options = default;
}
