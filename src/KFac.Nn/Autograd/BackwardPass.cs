using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>What a backward pass shall compute.</summary>
/// <param name="WeightGradients">True in training; false in curvature passes, which compute output gradients only.</param>
/// <param name="Sink">Takes the output gradients of layers as soon as they are known; null for nobody.</param>
/// <param name="Scale">What seeds must be multiplied by to belong to the loss summed over its terms; handed on to the sink.</param>
public readonly record struct BackwardOptions(bool WeightGradients, ICaptureSink? Sink, float Scale);

/// <summary>One backward pass under way: where operations find and leave gradients.</summary>
/// <remarks>Gradients live in the tape's pass memory and vanish when the pass ends. Within the pass, memory that is
/// released serves the next gradient: a chain of layers needs two gradients at a time, however long it is.</remarks>
public sealed class BackwardPass
{
    private readonly Tape _tape;
    private readonly List<VectorView<float>> _free = [];

    internal BackwardPass(Tape tape) => _tape = tape;

    /// <summary>Where operations run.</summary>
    public DeviceStream Stream => _tape.Stream;

    /// <summary>S: gradients are [S·rows, columns].</summary>
    public int Seeds { get; private set; }

    /// <summary>What to compute.</summary>
    public BackwardOptions Options { get; private set; }

    /// <summary>Counts passes, so that a parameter knows the first contribution of a pass.</summary>
    internal long Number { get; private set; }

    /// <summary>Undefined contiguous memory that lasts until it is released, handed down, or the pass ends.</summary>
    public MatrixView<float> Scratch(int rows, int columns)
    {
        int length = checked(rows * columns);
        int best = -1;
        for (int i = 0; i < _free.Count; i++)
        {
            if (_free[i].Length >= length && (best < 0 || _free[i].Length < _free[best].Length))
            {
                best = i;
            }
        }

        if (best < 0)
        {
            return _tape.PassMemory.Matrix<float>(rows, columns);
        }

        VectorView<float> memory = _free[best];
        _free.RemoveAt(best);
        return memory.Slice(0, length).AsMatrix(rows, columns);
    }

    /// <summary>Gives memory of <see cref="Scratch"/>, or a gradient that is owned, back to the pass.</summary>
    public void Release(MatrixView<float> memory)
    {
        if (memory.IsContiguous)
        {
            _free.Add(memory.AsVector());
        }
    }

    /// <summary>Where to add the gradient of an input: write with this <paramref name="beta"/> (0 for the first contribution, else 1).</summary>
    /// <param name="input">A variable with <see cref="Variable.NeedsGradient"/>.</param>
    /// <returns>[S·rows, columns].</returns>
    public MatrixView<float> Destination(Variable input, out float beta)
    {
        ref TapeEntry entry = ref _tape.EntryOf(input);
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
        ref TapeEntry entry = ref _tape.EntryOf(input);
        if (entry.HasGradient)
        {
            Elementwise.Axpby(Stream, 1f, contribution, 1f, entry.Gradient);
            Release(contribution);
            return;
        }

        entry.Gradient = contribution;
        entry.HasGradient = true;
    }

    /// <summary>Delivers the output gradient of a layer with Kronecker factors.</summary>
    public void Deliver(int layer, Variable output, MatrixView<float> gradient) =>
        Options.Sink?.OutputGradients(layer, output.ToLayerRows(gradient, Seeds, Options.Scale));

    /// <summary>Delivers the output gradient of rows that were looked up in a layer's weight.</summary>
    public void DeliverLookup(int layer, Variable output, MatrixView<float> gradient) =>
        Options.Sink?.OutputGradients(layer, output.ToLayerRows(gradient, Seeds, Options.Scale) with { IsLookup = true });

    /// <summary>Delivers what a layer's weight gradient is made of: its inputs and its output gradient.</summary>
    /// <returns>Whether they were taken in place of their product, which the layer shall leave out of its gradient.</returns>
    public bool DeliverWeightGradient(LinearParameter parameter, MatrixView<float> inputs, MatrixView<float> outputGradient)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        bool taken = Options.Sink is ITrainingSink sink && sink.WeightGradient(parameter.Index, inputs, outputGradient);
        if (taken)
        {
            parameter.LeaveOut(this);
        }

        return taken;
    }

    internal void Begin(int seeds, in BackwardOptions options)
    {
        Seeds = seeds;
        Options = options;
        Number++;
    }

    internal void End()
    {
        Options = default;
        _free.Clear();
    }
}
